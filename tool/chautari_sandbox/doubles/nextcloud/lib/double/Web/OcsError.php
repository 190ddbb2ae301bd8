<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

/** An OCS request that is refused. */
final class OcsError extends \RuntimeException
{
    public const UNAUTHORISED = 997;
    public const NOT_FOUND = 998;

    public function __construct(public readonly int $status, string $message = '')
    {
        parent::__construct($message);
    }
}
