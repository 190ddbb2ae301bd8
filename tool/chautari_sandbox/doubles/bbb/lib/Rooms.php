<?php

declare(strict_types=1);

namespace NextcloudDouble\Bbb;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Database;
use NextcloudDouble\Kernel;
use NextcloudDouble\Secrets;

/** Rooms, in the table that upstream's app has. */
final class Rooms
{
    public const ACCESS = ['public', 'password', 'waiting_room', 'waiting_room_all', 'internal', 'internal_restricted'];
    private const LETTERS = 'abcdefgijkmnopqrstwxyzABCDEFGHJKLMNPQRSTWXYZ23456789';
    private const CHANGEABLE = [
        'name' => 'name', 'welcome' => 'welcome', 'maxParticipants' => 'max_participants', 'record' => 'record',
        'access' => 'access', 'everyoneIsModerator' => 'everyone_is_moderator', 'requireModerator' => 'require_moderator',
        'listenOnly' => 'listen_only', 'mediaCheck' => 'media_check', 'cleanLayout' => 'clean_layout',
        'joinMuted' => 'join_muted',
    ];

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function install(): void
    {
        $this->database->rows(
            'CREATE TABLE IF NOT EXISTS *PREFIX*bbb_rooms (id bigserial PRIMARY KEY, uid varchar(64) NOT NULL UNIQUE,
            name varchar(64) NOT NULL, attendee_password varchar(64) NOT NULL, moderator_password varchar(64) NOT NULL,
            welcome text, max_participants integer, record boolean, user_id varchar(64) NOT NULL,
            access varchar(64) NOT NULL, password varchar(64), everyone_is_moderator boolean, require_moderator boolean,
            moderator_token varchar(64), listen_only boolean, media_check boolean, clean_layout boolean,
            join_muted boolean, running boolean)'
        );
    }

    /** @return list<array<string, mixed>> */
    public function of(string $uid): array
    {
        return $this->database->rows('SELECT * FROM *PREFIX*bbb_rooms WHERE user_id = ? ORDER BY id', [$uid]);
    }

    /** @return array<string, mixed>|null */
    public function find(string $column, int|string $value): ?array
    {
        return $this->database->rows("SELECT * FROM *PREFIX*bbb_rooms WHERE $column = ?", [$value])[0] ?? null;
    }

    /** @param array<string, mixed> $wanted */
    public function create(array $wanted, string $owner): array
    {
        $uid = Secrets::word(16, self::LETTERS);
        $check = $this->kernel->get(AppConfig::class)->get('bbb', 'join.mediaCheck', 'true');
        $this->database->rows(
            'INSERT INTO *PREFIX*bbb_rooms (uid, name, attendee_password, moderator_password, welcome, max_participants,
            record, user_id, access, password, listen_only, media_check, clean_layout, join_muted)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, true, ?, false, false)',
            [
                $uid, (string)$wanted['name'], Secrets::word(32, self::LETTERS), Secrets::word(32, self::LETTERS),
                (string)$wanted['welcome'], max((int)$wanted['maxParticipants'], 0), (bool)$wanted['record'], $owner,
                $wanted['access'], $wanted['access'] === 'password' ? Secrets::word(8, self::LETTERS) : null,
                in_array($check, ['1', 'true', 'yes', 'on'], true),
            ],
        );
        return $this->find('uid', $uid);
    }

    /** @param array<string, mixed> $wanted */
    public function update(int $id, array $wanted): array
    {
        foreach (array_intersect_key(self::CHANGEABLE, $wanted) as $field => $column) {
            $this->database->rows("UPDATE *PREFIX*bbb_rooms SET $column = ? WHERE id = ?", [$wanted[$field], $id]);
        }
        return $this->find('id', $id);
    }

    public function running(int $id, bool $running): void
    {
        $this->database->rows('UPDATE *PREFIX*bbb_rooms SET running = ? WHERE id = ?', [$running, $id]);
    }

    public function delete(int $id): void
    {
        $this->database->rows('DELETE FROM *PREFIX*bbb_rooms WHERE id = ?', [$id]);
    }

    /**
     * @param array<string, mixed> $room
     * @return array<string, mixed> What people who may see the room are told: no passwords of its meetings.
     */
    public static function shown(array $room): array
    {
        $flags = ['everyoneIsModerator', 'requireModerator', 'listenOnly', 'mediaCheck', 'cleanLayout', 'joinMuted'];
        $shown = [
            'id' => (int)$room['id'], 'uid' => $room['uid'], 'userId' => $room['user_id'], 'name' => $room['name'],
            'welcome' => $room['welcome'], 'maxParticipants' => (int)$room['max_participants'],
            'record' => (bool)$room['record'], 'access' => $room['access'], 'password' => $room['password'],
            'shared' => false, 'permission' => null, 'moderatorToken' => $room['moderator_token'],
            'running' => (bool)$room['running'],
        ];
        foreach ($flags as $flag) {
            $shown[$flag] = (bool)$room[self::CHANGEABLE[$flag]];
        }
        return $shown;
    }
}
