<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Settings of an account, in the table preferences. */
final class Preferences
{
    private readonly Database $database;

    public function __construct(Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function get(string $uid, string $app, string $key): ?string
    {
        $value = $this->database->value(
            'SELECT configvalue FROM *PREFIX*preferences WHERE userid = ? AND appid = ? AND configkey = ?',
            [$uid, $app, $key],
        );
        return $value === null ? null : (string)$value;
    }

    public function set(string $uid, string $app, string $key, string $value): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*preferences (userid, appid, configkey, configvalue) VALUES (?, ?, ?, ?)
            ON CONFLICT (userid, appid, configkey) DO UPDATE SET configvalue = excluded.configvalue',
            [$uid, $app, $key, $value],
        );
    }

    public function delete(string $uid, string $app, string $key): void
    {
        $this->database->rows(
            'DELETE FROM *PREFIX*preferences WHERE userid = ? AND appid = ? AND configkey = ?',
            [$uid, $app, $key],
        );
    }

    /** @return array<string, array<string, string>> */
    public function all(string $uid): array
    {
        $values = [];
        $rows = $this->database->rows(
            'SELECT * FROM *PREFIX*preferences WHERE userid = ? ORDER BY appid, configkey',
            [$uid],
        );
        foreach ($rows as $row) {
            $values[$row['appid']][$row['configkey']] = (string)$row['configvalue'];
        }
        return $values;
    }
}
