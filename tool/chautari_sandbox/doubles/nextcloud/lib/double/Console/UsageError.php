<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

/** The command line does not fit the command. */
final class UsageError extends \RuntimeException
{
}
