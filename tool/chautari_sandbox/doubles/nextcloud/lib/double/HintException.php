<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** An error with advice for the person who runs the server. */
final class HintException extends \RuntimeException
{
    public function __construct(string $message, public readonly string $hint = '')
    {
        parent::__construct($message);
    }
}
