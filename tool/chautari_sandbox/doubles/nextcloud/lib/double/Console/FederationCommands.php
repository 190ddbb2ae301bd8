<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Apps;
use NextcloudDouble\Federation\AddressBooks;

/** Other servers, from the command line. */
final class FederationCommands extends Group
{
    public function commands(): array
    {
        if (!$this->kernel->installed() || !$this->kernel->get(Apps::class)->enabled('federation')) {
            return [];
        }
        return [
            new Command(
                'federation:sync-addressbooks',
                'Synchronizes addressbooks of all federated clouds',
                $this->sync(...),
                [],
                ['full' => 'flag'],
                Command::OF_APP,
            ),
        ];
    }

    private function sync(Input $input, Output $output): int
    {
        $count = 0;
        $this->kernel->get(AddressBooks::class)->sync(
            $input->flag('full'),
            static function (string $url, ?\Throwable $error) use ($output, &$count): void {
                if ($error === null) {
                    $count++;
                } else {
                    $output->line("Error while syncing $url : {$error->getMessage()}");
                }
            },
        );
        $output->line("    $count [->--------------------------]");
        return 0;
    }
}
