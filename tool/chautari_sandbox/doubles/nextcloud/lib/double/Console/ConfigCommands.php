<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppConfig;

/** config.php as seen from the command line. */
final class ConfigCommands extends Group
{
    public function commands(): array
    {
        return [
            new Command('config:list', 'List all configs', $this->list(...), ['app' => 'optional'], [
                'private' => 'flag', 'migrate' => 'flag', 'output' => 'optional=json_pretty',
            ]),
            new Command('config:import', 'Import a list of configs', $this->import(...), ['file' => 'optional']),
            new Command('config:system:set', 'Set a system config value', $this->set(...), ['name' => 'list'], [
                'type' => 'value=string', 'value' => 'value', 'update-only' => 'flag',
            ] + self::OUTPUT),
            new Command('config:system:get', 'Get a system config value', $this->get(...), ['name' => 'list'], [
                'default-value' => 'optional',
            ] + self::OUTPUT),
            new Command('config:system:delete', 'Delete a system config value', $this->delete(...), ['name' => 'list'], [
                'error-if-not-exists' => 'flag',
            ] + self::OUTPUT),
        ];
    }

    private function list(Input $input, Output $output): int
    {
        $app = $input->argument('app') ?? 'all';
        $private = $input->flag('private');
        $system = [];
        foreach ($this->kernel->config->keys() as $key) {
            $system[$key] = $private ? $this->kernel->config->get($key) : $this->kernel->config->filtered($key);
        }
        $apps = $app === 'system' ? [] : $this->kernel->get(AppConfig::class)->all($private);
        $output->items($input, match ($app) {
            'system' => ['system' => $system],
            'all' => ['system' => $system, 'apps' => $apps],
            default => ['apps' => [$app => $apps[$app] ?? []]],
        });
        return 0;
    }

    private function import(Input $input, Output $output): int
    {
        $content = (string)file_get_contents($input->argument('file') ?? 'php://stdin');
        $wanted = json_decode($content, true);
        $complaint = $this->complaint($wanted);
        if ($complaint !== null) {
            $output->line($complaint);
            return 1;
        }
        $this->kernel->config->setAll($wanted['system'] ?? []);
        $config = $this->kernel->get(AppConfig::class);
        foreach ($wanted['apps'] ?? [] as $app => $values) {
            foreach ($values as $key => $value) {
                $value === null ? $config->delete($app, $key) : $config->set($app, $key, (string)$value);
            }
        }
        $output->line('Config successfully imported from: ' . $input->argument('file'));
        return 0;
    }

    private function complaint(mixed $wanted): ?string
    {
        if (!is_array($wanted) || $wanted === []) {
            return 'The file must contain a valid json array';
        }
        $additional = array_diff(array_keys($wanted), ['system', 'apps']);
        if ($additional !== []) {
            return 'Found invalid entries in root: ' . implode(', ', $additional);
        }
        if (!is_array($wanted['system'] ?? [])) {
            return 'The system config array is not an array';
        }
        if (!is_array($wanted['apps'] ?? [])) {
            return 'The apps config array is not an array';
        }
        foreach ($wanted['apps'] ?? [] as $app => $values) {
            foreach ($values as $key => $value) {
                if (!is_int($value) && !is_string($value) && $value !== null) {
                    return "Invalid app config value for \"$app\":\"$key\". "
                        . 'Only integers, strings and null (delete) are allowed.';
                }
            }
        }
        return null;
    }

    private function set(Input $input, Output $output): int
    {
        $names = $input->argument('name');
        [$value, $words] = self::cast((string)$input->option('value'), (string)$input->option('type'));
        $root = $this->kernel->config->get($names[0]);
        if ($input->flag('update-only') && self::dig([$names[0] => $root], $names) === null) {
            throw new \UnexpectedValueException('Config parameter does not exist');
        }
        $this->kernel->config->set($names[0], self::merge($root, array_slice($names, 1), $value));
        $output->line('System config value ' . implode(' => ', $names) . " set to $words");
        return 0;
    }

    private function get(Input $input, Output $output): int
    {
        $names = $input->argument('name');
        $value = self::dig([$names[0] => $this->kernel->config->get($names[0])], $names);
        if ($value === null) {
            if (!$input->has('default-value')) {
                return 1;
            }
            $value = $input->option('default-value');
        }
        $output->value($input, $value);
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        $names = $input->argument('name');
        $root = $this->kernel->config->get($names[0]);
        $words = implode(' => ', $names);
        if ($input->flag('error-if-not-exists') && self::dig([$names[0] => $root], $names) === null) {
            $output->line("System config $words could not be deleted because it did not exist");
            return 1;
        }
        $this->kernel->config->set($names[0], self::merge($root, array_slice($names, 1), null));
        $output->line("System config value $words deleted");
        return 0;
    }

    /** @param list<string> $names */
    private static function dig(mixed $value, array $names): mixed
    {
        foreach ($names as $name) {
            $value = is_array($value) ? ($value[$name] ?? null) : null;
        }
        return $value;
    }

    /** @param list<string> $names */
    private static function merge(mixed $current, array $names, mixed $value): mixed
    {
        if ($names === []) {
            return $value;
        }
        $current = is_array($current) ? $current : [];
        $name = array_shift($names);
        if ($names === [] && $value === null) {
            unset($current[$name]);
        } else {
            $current[$name] = self::merge($current[$name] ?? null, $names, $value);
        }
        return $current;
    }

    /** @return array{mixed, string} The value, and how it is named to people. */
    private static function cast(string $value, string $type): array
    {
        if (in_array($type, ['integer', 'int', 'double', 'float'], true) && !is_numeric($value)) {
            throw new \InvalidArgumentException('Non-numeric value specified');
        }
        $truth = ['true' => true, 'false' => false][strtolower($value)] ?? null;
        return match ($type) {
            'integer', 'int' => [(int)$value, 'integer ' . (int)$value],
            'double', 'float' => [(float)$value, 'double ' . (float)$value],
            'boolean', 'bool' => [
                $truth ?? throw new \InvalidArgumentException('Unable to parse value as boolean'),
                'boolean ' . strtolower($value),
            ],
            'null' => [null, 'null'],
            'string' => [$value, $value === '' ? 'empty string' : "string $value"],
            'json' => [json_decode($value, true), "json $value"],
            default => throw new \InvalidArgumentException('Invalid type'),
        };
    }
}
