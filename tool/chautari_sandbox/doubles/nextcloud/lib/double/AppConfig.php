<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Settings of the apps, in the table appconfig. */
final class AppConfig
{
    public const TYPES = [
        'mixed' => 2, 'string' => 4, 'integer' => 8, 'float' => 16, 'boolean' => 32, 'array' => 64,
    ];
    private const ALIASES = ['int' => 'integer', 'bool' => 'boolean', 'double' => 'float'];
    private const SENSITIVE = 1;
    private const SEALED = '$AppConfigEncryption$';

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function get(string $app, string $key, ?string $default = null): ?string
    {
        return $this->details($app, $key)['value'] ?? $default;
    }

    /** @return array{app: string, key: string, value: string, type: int, lazy: bool, typeString: string, sensitive: bool}|null */
    public function details(string $app, string $key): ?array
    {
        $row = $this->database->rows(
            'SELECT configvalue, type, lazy FROM *PREFIX*appconfig WHERE appid = ? AND configkey = ?',
            [$app, $key],
        )[0] ?? null;
        if ($row === null) {
            return null;
        }
        $type = (int)$row['type'] & ~self::SENSITIVE;
        return [
            'app' => $app,
            'key' => $key,
            'value' => $this->plain($row),
            'type' => $type,
            'lazy' => (bool)$row['lazy'],
            'typeString' => (string)array_search($type, self::TYPES, true),
            'sensitive' => ((int)$row['type'] & self::SENSITIVE) !== 0,
        ];
    }

    /** Stores the value and says whether anything changed. */
    public function set(
        string $app,
        string $key,
        string $value,
        ?string $type = null,
        ?bool $lazy = null,
        ?bool $sensitive = null,
    ): bool {
        $current = $this->details($app, $key);
        $number = $type === null ? ($current['type'] ?? self::TYPES['mixed']) : self::type($type);
        $number |= ($sensitive ?? $current['sensitive'] ?? false) ? self::SENSITIVE : 0;
        $stored = self::cast($value, $number & ~self::SENSITIVE);
        $lazy ??= $current['lazy'] ?? false;
        $before = $current === null ? null
            : [$current['value'], $current['type'] | (int)$current['sensitive'], $current['lazy']];
        if ($before === [$stored, $number, $lazy]) {
            return false;
        }
        $this->database->rows(
            'INSERT INTO *PREFIX*appconfig (appid, configkey, configvalue, type, lazy) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (appid, configkey) DO UPDATE SET configvalue = excluded.configvalue, type = excluded.type,
            lazy = excluded.lazy',
            [$app, $key, $number & self::SENSITIVE ? $this->sealed($stored) : $stored, $number, (int)$lazy],
        );
        return true;
    }

    public function delete(string $app, string $key): void
    {
        $this->database->rows('DELETE FROM *PREFIX*appconfig WHERE appid = ? AND configkey = ?', [$app, $key]);
    }

    /** @return array<string, string> One key's value in every app that has it. */
    public function across(string $key): array
    {
        $rows = $this->database->rows(
            'SELECT appid, configvalue FROM *PREFIX*appconfig WHERE configkey = ? ORDER BY appid',
            [$key],
        );
        return array_column($rows, 'configvalue', 'appid');
    }

    /** @return array<string, array<string, mixed>> As upstream lists them: of a sensitive value the cipher alone. */
    public function all(bool $private): array
    {
        $values = [];
        $rows = $this->database->rows('SELECT * FROM *PREFIX*appconfig ORDER BY appid, configkey');
        foreach ($rows as $row) {
            $hidden = !$private && ((int)$row['type'] & self::SENSITIVE) !== 0;
            $values[$row['appid']][$row['configkey']] = $hidden
                ? '***REMOVED SENSITIVE VALUE***'
                : self::typed((string)$row['configvalue'], (int)$row['type'] & ~self::SENSITIVE);
        }
        return $values;
    }

    /** @param array<string, mixed> $row */
    private function plain(array $row): string
    {
        $value = (string)$row['configvalue'];
        return str_starts_with($value, self::SEALED)
            ? (string)Secrets::open(substr($value, strlen(self::SEALED)), $this->kernel->config->string('secret'))
            : $value;
    }

    private function sealed(string $value): string
    {
        return self::SEALED . Secrets::seal($value, $this->kernel->config->string('secret'));
    }

    private static function type(string $name): int
    {
        $name = self::ALIASES[$name] ?? $name;
        return self::TYPES[$name] ?? throw new \InvalidArgumentException("Unknown type $name");
    }

    private static function cast(string $value, int $type): string
    {
        return match ($type) {
            8 => ctype_digit(ltrim($value, '-')) ? (string)(int)$value
                : throw new \InvalidArgumentException('Value is not an integer'),
            32 => in_array(strtolower($value), ['true', '1', 'yes', 'on'], true) ? '1' : '0',
            64 => json_encode(json_decode($value, true, 512, JSON_THROW_ON_ERROR)),
            default => $value,
        };
    }

    private static function typed(string $value, int $type): mixed
    {
        return match ($type) {
            8 => (int)$value,
            16 => (float)$value,
            32 => $value === '1',
            64 => json_decode($value, true),
            default => $value,
        };
    }
}
