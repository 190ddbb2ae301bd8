<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Passwords of an account for programs, which work without its own password: the table authtoken, type 1. */
final class AppPasswords
{
    private const PERMANENT = 1;
    private const LENGTH = 72;

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function create(string $uid, string $name): string
    {
        $password = Secrets::word(self::LENGTH);
        $this->database->rows(
            'INSERT INTO *PREFIX*authtoken (uid, token, name, last_activity, type) VALUES (?, ?, ?, ?, ?)',
            [$uid, $this->hash($password), mb_substr($name, 0, 128), time(), self::PERMANENT],
        );
        return $password;
    }

    /** The account that this password opens; null when it opens none. */
    public function account(#[\SensitiveParameter] string $password): ?string
    {
        $uid = strlen($password) !== self::LENGTH ? null : $this->database->value(
            'UPDATE *PREFIX*authtoken SET last_activity = ? WHERE token = ? AND type = ? RETURNING uid',
            [time(), $this->hash($password), self::PERMANENT],
        );
        return $uid === null ? null : (string)$uid;
    }

    /** @return list<array<string, mixed>> */
    public function of(string $uid): array
    {
        return $this->database->rows(
            'SELECT id, name, last_activity, type FROM *PREFIX*authtoken WHERE uid = ? ORDER BY id',
            [$uid],
        );
    }

    public function delete(string $uid, int $id): void
    {
        $this->database->rows('DELETE FROM *PREFIX*authtoken WHERE uid = ? AND id = ?', [$uid, $id]);
    }

    private function hash(#[\SensitiveParameter] string $password): string
    {
        return hash('sha512', $password . $this->kernel->config->string('secret'));
    }
}
