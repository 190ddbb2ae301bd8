<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

/** One command of occ. */
final class Command
{
    public const ALWAYS = 'always';
    public const BEFORE_INSTALL = 'before install';
    public const INSTALLED = 'installed';
    /** Belongs to an app: not there in maintenance or before an upgrade. */
    public const OF_APP = 'of app';

    /**
     * @param \Closure(Input, Output): int $run
     * @param array<string, string> $arguments name => required, optional, list or optional list
     * @param array<string, string|null> $options name (with |letter) => flag, value, optional, list or negatable,
     *                                            each with =default where there is one
     */
    public function __construct(
        public readonly string $name,
        public readonly string $description,
        public readonly \Closure $run,
        public readonly array $arguments = [],
        public readonly array $options = [],
        public readonly string $available = self::INSTALLED,
    ) {
    }
}
