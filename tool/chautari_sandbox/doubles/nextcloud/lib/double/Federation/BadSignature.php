<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

/** A request between servers whose signature or origin is not accepted. */
final class BadSignature extends \RuntimeException
{
}
