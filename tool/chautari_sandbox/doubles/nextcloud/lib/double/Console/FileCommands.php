<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Files;
use NextcloudDouble\Users;

/** Files. */
final class FileCommands extends Group
{
    public function commands(): array
    {
        return [
            new Command('files:scan', 'rescan filesystem', $this->scan(...), ['user_id' => 'optional list'], [
                'path|p' => 'value', 'all' => 'flag', 'unscanned' => 'flag', 'shallow' => 'flag', 'home-only' => 'flag',
                'generate-metadata' => 'optional',
            ] + self::OUTPUT, Command::OF_APP),
            new Command('files:cleanup', 'cleanup filecache', $this->cleanup(...), [], [], Command::OF_APP),
        ];
    }

    private function scan(Input $input, Output $output): int
    {
        $users = $this->kernel->get(Users::class);
        $names = $input->argument('user_id');
        if ($input->option('path') !== null) {
            $names = [explode('/', trim($input->option('path'), '/'))[0]];
        } elseif ($input->flag('all')) {
            $names = $users->list(PHP_INT_MAX);
        }
        if ($names === []) {
            $output->line('Please specify the user id to scan, --all to scan for all users or --path=...');
            return 1;
        }
        $start = time();
        [$folders, $files] = [0, 0];
        foreach ($names as $index => $name) {
            $position = $index + 1;
            $uid = $users->find($name);
            if ($uid === null) {
                $output->line("Unknown user $position $name");
                continue;
            }
            $output->line("Starting scan for user $position out of " . count($names) . " ($uid)");
            $this->kernel->get(Files::class)->prepare($uid);
            [$more, $others] = $this->kernel->get(Files::class)->scan($uid);
            [$folders, $files] = [$folders + $more, $files + $others];
        }
        $output->table($input, [[
            'Folders' => $folders, 'Files' => $files, 'Errors' => 0, 'Elapsed time' => gmdate('H:i:s', time() - $start),
        ]]);
        return 0;
    }

    private function cleanup(Input $input, Output $output): int
    {
        $output->line('0 orphaned file cache entries deleted');
        return 0;
    }
}
