<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

/** A share from another server that is not taken. */
final class ShareRefused extends \RuntimeException
{
}
