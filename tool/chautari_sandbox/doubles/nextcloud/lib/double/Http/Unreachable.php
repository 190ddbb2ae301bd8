<?php

declare(strict_types=1);

namespace NextcloudDouble\Http;

/** Another server did not answer, or this one may not ask it. */
final class Unreachable extends \RuntimeException
{
}
