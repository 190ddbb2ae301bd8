<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Schema;

/** Completes the tables. */
final class DatabaseCommands extends Group
{
    public function commands(): array
    {
        $option = ['dry-run' => 'flag'];
        return [
            new Command('db:add-missing-indices', 'Add missing indices to the database tables', $this->indices(...), [], $option),
            new Command('db:add-missing-columns', 'Add missing optional columns to the database tables', $this->columns(...), [], $option),
            new Command('db:add-missing-primary-keys', 'Add missing primary keys to the database tables', $this->keys(...), [], $option),
            new Command('db:convert-filecache-bigint', 'Convert the ID columns of the filecache to BigInt', $this->keys(...)),
        ];
    }

    private function indices(Input $input, Output $output): int
    {
        $this->add($this->kernel->get(Schema::class)->missingIndices(), 'index', $input, $output);
        return 0;
    }

    private function columns(Input $input, Output $output): int
    {
        $missing = $this->kernel->get(Schema::class)->missingColumns();
        $this->add($missing, 'column', $input, $output);
        if ($missing === []) {
            $output->line('Done.');
        }
        return 0;
    }

    private function keys(Input $input, Output $output): int
    {
        $output->line('Done.');
        return 0;
    }

    /** @param array<string, array{string, string}> $missing */
    private function add(array $missing, string $what, Input $input, Output $output): void
    {
        foreach ($missing as $name => [$table, $statement]) {
            $output->line("Adding additional $name $what to the $table table, this can take some time...");
            $input->flag('dry-run') ? $output->line($statement) : $this->kernel->get(Schema::class)->apply($statement);
            $output->line("$table table updated successfully.");
        }
    }
}
