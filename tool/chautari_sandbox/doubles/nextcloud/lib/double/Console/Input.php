<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

/** The words of a command line, matched with what the command takes. */
final class Input
{
    private const GLOBAL = [
        'help|h' => 'flag', 'quiet|q' => 'flag', 'verbose|v' => 'flag', 'version|V' => 'flag', 'ansi' => 'negatable',
        'no-interaction|n' => 'flag', 'no-warnings' => 'flag',
    ];

    /** @var array<string, mixed> */
    private array $arguments = [];
    /** @var array<string, mixed> */
    private array $options = [];
    /** @var array<string, true> */
    private array $given = [];
    /** @var array<string, array{string, string}> */
    private array $known = [];

    /** @param list<string> $words Without the name of the command. */
    public function __construct(public readonly Command $command, array $words)
    {
        $this->define();
        $this->place($this->readOptions($words));
    }

    public function argument(string $name): mixed
    {
        return $this->arguments[$name] ?? null;
    }

    public function option(string $name): mixed
    {
        return $this->options[$name] ?? null;
    }

    public function flag(string $name): bool
    {
        return (bool)($this->options[$name] ?? false);
    }

    public function has(string $name): bool
    {
        return isset($this->given[$name]);
    }

    private function define(): void
    {
        foreach ($this->command->options + self::GLOBAL as $names => $spec) {
            [$kind, $default] = explode('=', (string)$spec, 2) + [1 => null];
            [$name, $letter] = explode('|', $names) + [1 => ''];
            $this->known["--$name"] = [$name, $kind];
            if ($letter !== '') {
                $this->known["-$letter"] = [$name, $kind];
            }
            if ($kind === 'negatable') {
                $this->known["--no-$name"] = [$name, 'negative'];
            }
            $this->options[$name] = $kind === 'list' ? [] : ($kind === 'flag' ? false : $default);
        }
    }

    /**
     * @param list<string> $words
     * @return list<string> The words that are no options.
     */
    private function readOptions(array $words): array
    {
        $rest = [];
        while ($words !== []) {
            $word = array_shift($words);
            if ($word === '--') {
                return [...$rest, ...$words];
            }
            if ($word === '' || $word === '-' || $word[0] !== '-') {
                $rest[] = $word;
                continue;
            }
            $this->readOption($word, $words);
        }
        return $rest;
    }

    /** @param list<string> $words */
    private function readOption(string $word, array &$words): void
    {
        [$key, $value] = explode('=', $word, 2) + [1 => null];
        if ($word[1] !== '-' && strlen($word) > 2) {
            [$key, $value] = [substr($word, 0, 2), ltrim(substr($word, 2), '=')];
        }
        if (preg_match('/^-v{1,3}$/', $word)) {
            [$key, $value] = ['-v', null];
        }
        [$name, $kind] = $this->known[$key] ?? throw new UsageError("The \"$key\" option does not exist.");
        $this->given[$name] = true;
        if (in_array($kind, ['flag', 'negatable', 'negative'], true)) {
            if ($value !== null) {
                throw new UsageError("The \"$key\" option does not accept a value.");
            }
            $this->options[$name] = $kind !== 'negative';
            return;
        }
        if ($value === null && $words !== [] && ($words[0] === '' || $words[0][0] !== '-')) {
            $value = array_shift($words);
        }
        if ($value === null && $kind === 'value') {
            throw new UsageError("The \"$key\" option requires a value.");
        }
        if ($kind === 'list') {
            $this->options[$name][] = (string)$value;
        } else {
            $this->options[$name] = $value;
        }
    }

    /** @param list<string> $words */
    private function place(array $words): void
    {
        foreach ($this->command->arguments as $name => $kind) {
            if (str_ends_with($kind, 'list')) {
                $this->arguments[$name] = $words;
                $words = [];
            } elseif ($words !== []) {
                $this->arguments[$name] = array_shift($words);
            }
            $empty = in_array($this->arguments[$name] ?? [], [[]], true);
            if ($empty && !str_starts_with($kind, 'optional') && !$this->flag('help')) {
                throw new UsageError("Not enough arguments (missing: \"$name\").");
            }
        }
        if ($words !== []) {
            throw new UsageError("No arguments expected for \"{$this->command->name}\" command, got \"$words[0]\".");
        }
    }
}
