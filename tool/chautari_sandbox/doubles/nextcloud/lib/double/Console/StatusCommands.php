<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Checks\Runner;
use NextcloudDouble\Environment;
use NextcloudDouble\Integrity;
use NextcloudDouble\Release;

/** What state the installation is in. */
final class StatusCommands extends Group
{
    public function commands(): array
    {
        return [
            new Command('status', 'show some status information', $this->status(...), [], [
                'exit-code|e' => 'flag',
            ] + self::OUTPUT, Command::ALWAYS),
            new Command('check', 'check dependencies of the server environment', $this->check(...), [], [], Command::ALWAYS),
            new Command('setupchecks', 'Run setup checks and output the results', $this->setupChecks(...), [], self::OUTPUT),
            new Command(
                'integrity:check-core',
                'Check integrity of core code using a signature.',
                $this->integrity(...),
                [],
                self::OUTPUT,
                Command::ALWAYS,
            ),
        ];
    }

    private function status(Input $input, Output $output): int
    {
        $status = $this->kernel->status();
        if ($input->flag('verbose') || !$input->flag('exit-code')) {
            $output->items($input, $status);
        }
        if (!$input->flag('exit-code')) {
            return 0;
        }
        return $status['maintenance'] ? 1 : ($status['needsDbUpgrade'] ? 2 : 0);
    }

    private function check(Input $input, Output $output): int
    {
        $errors = $this->kernel->get(Environment::class)->errors();
        foreach ($errors as $error) {
            $output->line($error['error']);
        }
        return $errors === [] ? 0 : 1;
    }

    private function setupChecks(Input $input, Output $output): int
    {
        $results = (new Runner($this->kernel))->run();
        if ($input->option('output') !== 'plain') {
            $output->items($input, $results);
        } else {
            $output->line("\t" . Release::NOTICE);
            $this->print($results, $output);
        }
        foreach ($results as $checks) {
            foreach ($checks as $check) {
                if ($check->severity !== 'success') {
                    return 1;
                }
            }
        }
        return 0;
    }

    /** @param array<string, array<string, \NextcloudDouble\Checks\Result>> $results */
    private function print(array $results, Output $output): void
    {
        $marks = ['success' => '✓', 'error' => '✗', 'warning' => '⚠', 'info' => 'ℹ'];
        foreach ($results as $category => $checks) {
            $output->line("\t$category:");
            foreach ($checks as $check) {
                $text = $check->description === null ? '' : ": {$check->description}";
                $output->line("\t\t{$marks[$check->severity]} {$check->name}$text");
            }
        }
    }

    private function integrity(Input $input, Output $output): int
    {
        $differences = (new Integrity($this->kernel))->differences();
        $output->items($input, $differences);
        return $differences === [] ? 0 : 1;
    }
}
