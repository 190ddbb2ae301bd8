<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Environment;
use NextcloudDouble\Kernel;
use NextcloudDouble\Release;

/** Finds the command that was asked for and runs it. */
final class Application
{
    private const GROUPS = [
        StatusCommands::class, MaintenanceCommands::class, ConfigCommands::class, AppConfigCommands::class,
        UserCommands::class, UserSettingCommand::class, GroupCommands::class, AppCommands::class, DatabaseCommands::class,
        JobCommands::class, FileCommands::class, FederationCommands::class,
        TokenCommands::class,
    ];

    private readonly Output $output;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->output = new Output();
    }

    /** @param list<string> $words */
    public function run(array $words): int
    {
        $position = $this->commandPosition($words);
        $name = $position === null ? 'list' : $words[$position];
        if ($position === null && array_intersect($words, ['--version', '-V'])) {
            $this->output->line($this->title());
            return 0;
        }
        $this->output->quiet = (bool)array_intersect($words, ['-q', '--quiet']);
        $this->warn($name);
        $this->requireEnvironment($name);
        $rest = $words;
        if ($position !== null) {
            unset($rest[$position]);
        }
        return $this->execute($name, array_values($rest));
    }

    /** @param list<string> $words */
    private function execute(string $name, array $words): int
    {
        $command = $this->commands()[$name] ?? null;
        if ($command === null) {
            $this->complain("Command \"$name\" is not defined.");
            return 1;
        }
        try {
            $input = new Input($command, $words);
            if ($input->flag('help')) {
                $this->help($command);
                return 0;
            }
            return ($command->run)($input, $this->output);
        } catch (\Throwable $error) {
            $this->complain($error->getMessage(), $error instanceof UsageError ? '' : $error::class);
            return 1;
        }
    }

    /** @return array<string, Command> */
    private function commands(): array
    {
        $commands = ['list' => new Command(
            'list',
            'List commands',
            $this->list(...),
            ['namespace' => 'optional'],
            ['format' => 'value', 'raw' => 'flag'],
            Command::ALWAYS,
        )];
        foreach (self::GROUPS as $group) {
            foreach ((new $group($this->kernel))->commands() as $command) {
                if ($this->available($command)) {
                    $commands[$command->name] = $command;
                }
            }
        }
        ksort($commands);
        return $commands;
    }

    private function available(Command $command): bool
    {
        $installed = $this->kernel->installed();
        return match ($command->available) {
            Command::ALWAYS => true,
            Command::BEFORE_INSTALL => !$installed,
            Command::INSTALLED => $installed,
            default => $installed && !$this->kernel->maintenance() && !$this->kernel->needsUpgrade(),
        };
    }

    private function list(Input $input, Output $output): int
    {
        $space = (string)$input->argument('namespace');
        $commands = array_filter(
            $this->commands(),
            static fn (Command $command): bool => $space === '' || str_starts_with($command->name, "$space:"),
        );
        if ($commands === []) {
            throw new UsageError("There are no commands defined in the \"$space\" namespace.");
        }
        if ($input->flag('raw')) {
            $width = max(array_map(strlen(...), array_keys($commands))) + 2;
            foreach ($commands as $command) {
                $output->line(str_pad($command->name, $width) . ' ' . $command->description);
            }
            return 0;
        }
        $output->line($this->title() . "\n\nUsage:\n  command [options] [arguments]\n\nAvailable commands:");
        foreach ($commands as $command) {
            $output->line('  ' . str_pad($command->name, 32) . $command->description);
        }
        return 0;
    }

    private function help(Command $command): void
    {
        $this->output->line("Description:\n  {$command->description}\n\nUsage:\n  {$command->name} [options]"
            . implode('', array_map(static fn (string $name): string => " <$name>", array_keys($command->arguments))));
        $this->output->line("\nOptions:");
        foreach (array_keys($command->options) as $names) {
            [$name, $letter] = explode('|', $names) + [1 => ''];
            $this->output->line('  ' . ($letter === '' ? '    ' : "-$letter, ") . "--$name");
        }
    }

    private function warn(string $name): void
    {
        $kernel = $this->kernel;
        $limit = ini_parse_quantity((string)ini_get('memory_limit'));
        if ($limit >= 0 && $limit < 512 * 1024 * 1024) {
            $this->output->error('The current PHP memory limit is below the recommended value of 512MB.');
        }
        if (!$kernel->installed()) {
            if ($name !== 'maintenance:install') {
                $this->output->error('Nextcloud is not installed - only a limited number of commands are available');
            }
        } elseif ($kernel->needsUpgrade()) {
            if ($name !== 'upgrade') {
                $this->output->error(
                    "Nextcloud or one of the apps require upgrade - only a limited number of commands are available\n"
                    . 'You may use your browser or the occ upgrade command to do the upgrade'
                );
            }
        } elseif ($kernel->maintenance() && !in_array($name, ['maintenance:mode', 'status'], true)) {
            $this->output->error(
                "Nextcloud is in maintenance mode, no apps are loaded.\nCommands provided by apps are unavailable."
            );
        }
    }

    private function requireEnvironment(string $name): void
    {
        $errors = $name === 'check' ? [] : $this->kernel->get(Environment::class)->errors();
        foreach ($errors as $error) {
            $this->output->line("{$error['error']}\n{$error['hint']}\n");
        }
        if ($errors !== []) {
            throw new \RuntimeException('Environment not properly prepared.');
        }
    }

    private function complain(string $message, string $class = ''): void
    {
        $this->output->error(($class === '' ? '' : "\nIn $class:\n") . "\n  $message\n");
    }

    /** @param list<string> $words */
    private function commandPosition(array $words): ?int
    {
        foreach ($words as $position => $word) {
            if ($word !== '' && $word[0] !== '-') {
                return $position;
            }
        }
        return null;
    }

    private function title(): string
    {
        return "Nextcloud {$this->kernel->release->string} (" . Release::NOTICE . ')';
    }
}
