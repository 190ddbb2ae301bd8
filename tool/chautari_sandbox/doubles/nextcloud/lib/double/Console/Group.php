<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Kernel;

/** Commands that belong together. */
abstract class Group
{
    protected const OUTPUT = ['output' => 'optional=plain'];

    public function __construct(protected readonly Kernel $kernel)
    {
    }

    /** @return list<Command> */
    abstract public function commands(): array;

    /** A line from the terminal or a pipe, asked for on standard error. */
    protected function ask(string $question): ?string
    {
        fwrite(STDERR, $question);
        $hide = stream_isatty(STDIN);
        $hide && shell_exec('stty -echo');
        $line = fgets(STDIN);
        $hide && shell_exec('stty echo');
        fwrite(STDERR, PHP_EOL);
        return $line === false ? null : rtrim($line, "\r\n");
    }
}
