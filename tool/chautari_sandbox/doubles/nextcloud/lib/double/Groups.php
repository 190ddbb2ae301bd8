<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Groups and who is in them. */
final class Groups
{
    private readonly Database $database;

    public function __construct(Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function exists(string $gid): bool
    {
        return $this->database->value('SELECT 1 FROM *PREFIX*groups WHERE gid = ?', [$gid]) !== null;
    }

    public function create(string $gid, string $displayName = ''): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*groups (gid, displayname) VALUES (?, ?) ON CONFLICT DO NOTHING',
            [$gid, $displayName ?: $gid],
        );
    }

    public function delete(string $gid): void
    {
        $this->database->rows('DELETE FROM *PREFIX*group_user WHERE gid = ?', [$gid]);
        $this->database->rows('DELETE FROM *PREFIX*groups WHERE gid = ?', [$gid]);
    }

    public function displayName(string $gid): string
    {
        return (string)$this->database->value('SELECT displayname FROM *PREFIX*groups WHERE gid = ?', [$gid]);
    }

    public function add(string $gid, string $uid): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*group_user (gid, uid) VALUES (?, ?) ON CONFLICT DO NOTHING',
            [$gid, $uid],
        );
    }

    public function remove(string $gid, string $uid): void
    {
        $this->database->rows('DELETE FROM *PREFIX*group_user WHERE gid = ? AND uid = ?', [$gid, $uid]);
    }

    /** @return list<string> */
    public function of(string $uid): array
    {
        return $this->database->column('SELECT gid FROM *PREFIX*group_user WHERE uid = ? ORDER BY gid', [$uid]);
    }

    /** @return list<string> */
    public function members(string $gid): array
    {
        return $this->database->column('SELECT uid FROM *PREFIX*group_user WHERE gid = ? ORDER BY uid', [$gid]);
    }

    /** @return list<string> */
    public function list(int $limit, int $offset, string $search = ''): array
    {
        return $this->database->column(
            'SELECT gid FROM *PREFIX*groups WHERE gid ILIKE ? ORDER BY gid LIMIT ? OFFSET ?',
            ["%$search%", $limit, $offset],
        );
    }
}
