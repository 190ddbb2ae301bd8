<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

/** Writes to the terminal in the formats plain, json and json_pretty. */
final class Output
{
    public bool $quiet = false;

    public function line(string $text = ''): void
    {
        if (!$this->quiet) {
            @fwrite(STDOUT, $text . PHP_EOL);
        }
    }

    public function error(string $text): void
    {
        @fwrite(STDERR, $text . PHP_EOL);
    }

    /** @param array<int|string, mixed> $items */
    public function items(Input $input, array $items, string $prefix = '  - '): void
    {
        if ($this->json($input, $items)) {
            return;
        }
        foreach ($items as $key => $item) {
            if (is_array($item)) {
                $this->line("$prefix$key:");
                $this->items($input, $item, "  $prefix");
            } elseif (is_int($key)) {
                $this->line($prefix . self::text($item));
            } else {
                $this->line($prefix . $key . ($item === null ? '' : ': ' . self::text($item)));
            }
        }
    }

    public function value(Input $input, mixed $value): void
    {
        if (is_array($value)) {
            $this->items($input, $value, '');
        } elseif (!$this->json($input, $value)) {
            $this->line($value === null ? 'null' : self::text($value));
        }
    }

    /** @param list<array<string, mixed>> $rows */
    public function table(Input $input, array $rows): void
    {
        if ($this->json($input, $rows) || $rows === []) {
            return;
        }
        $texts = static fn (array $row): array => array_map(self::text(...), array_values($row));
        $cells = [array_keys($rows[0]), ...array_map($texts, $rows)];
        $widths = array_map(static fn (int $column): int => max(array_map(
            static fn (array $row): int => mb_strlen((string)$row[$column]),
            $cells,
        )), array_keys($cells[0]));
        $rule = '+' . implode('+', array_map(static fn (int $width): string => str_repeat('-', $width + 2), $widths)) . '+';
        $this->line($rule);
        foreach ($cells as $index => $row) {
            $padded = array_map(static fn (string $text, int $width): string => str_pad($text, $width), $row, $widths);
            $this->line('| ' . implode(' | ', $padded) . ' |');
            if ($index === 0) {
                $this->line($rule);
            }
        }
        $this->line($rule);
    }

    private function json(Input $input, mixed $value): bool
    {
        $flags = ['json' => 0, 'json_pretty' => JSON_PRETTY_PRINT][$input->option('output')] ?? null;
        if ($flags === null) {
            return false;
        }
        $this->line(json_encode($value, $flags | JSON_THROW_ON_ERROR));
        return true;
    }

    private static function text(mixed $value): string
    {
        return is_bool($value) ? ($value ? 'true' : 'false') : (string)$value;
    }
}
