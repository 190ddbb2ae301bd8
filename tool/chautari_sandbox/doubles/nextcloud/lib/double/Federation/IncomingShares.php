<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Apps;
use NextcloudDouble\Database;
use NextcloudDouble\Files;
use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** Files of other servers that are shared with accounts of this one: the table share_external. */
final class IncomingShares
{
    public const PENDING = 0;
    public const ACCEPTED = 1;

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    /** Whether accounts of other servers may share with accounts of this one. */
    public function enabled(): bool
    {
        return $this->kernel->get(Apps::class)->enabled('files_sharing')
            && $this->kernel->get(AppConfig::class)->get('files_sharing', 'incoming_server2server_share_enabled', 'yes') === 'yes';
    }

    /** Records a share; one from a trusted server is accepted at once unless the administrator turned that off. */
    public function receive(string $owner, string $ownerName, string $uid, string $name, string $remoteId, string $token): void
    {
        if (!$this->enabled()) {
            throw new ShareRefused('Server does not support federated cloud sharing');
        }
        $sender = CloudId::parse($owner);
        if ($sender === null || in_array('', [$uid, $name, $remoteId, $token], true)) {
            throw new ShareRefused('server can not add remote share, missing parameter');
        }
        $uid = $this->kernel->get(Users::class)->find($uid) ?? throw new ShareRefused('User does not exists');
        if (preg_match('~[/\\\\\x00-\x1f]~', $name) || in_array($name, ['.', '..', '.htaccess'], true)) {
            throw new ShareRefused('The mountpoint name contains invalid characters.');
        }
        $this->kernel->get(Files::class)->prepare($uid);
        $id = $this->insert([$sender->remote . '/', $remoteId, $token, "/$name", $ownerName ?: $owner, $uid]);
        $automatic = $this->kernel->get(AppConfig::class)->get('files_sharing', 'federatedTrustedShareAutoAccept', 'yes') === 'yes';
        if (
            $automatic && $this->kernel->get(Apps::class)->enabled('federation')
            && $this->kernel->get(TrustedServers::class)->trusts($sender->remote)
        ) {
            $this->accept((array)$this->find($id, $uid));
        }
    }

    /** @param array<string, mixed> $share */
    public function accept(array $share): void
    {
        $mount = '/' . $this->freeName((string)$share['user'], ltrim((string)$share['name'], '/'));
        $this->database->rows(
            'UPDATE *PREFIX*share_external SET accepted = ?, mountpoint = ?, mountpoint_hash = ? WHERE id = ?',
            [self::ACCEPTED, $mount, md5($mount), (int)$share['id']],
        );
        $this->answer($share, 'accept');
    }

    /**
     * Forgets the share and tells the server it came from.
     *
     * @param array<string, mixed> $share
     */
    public function decline(array $share): void
    {
        $this->database->rows('DELETE FROM *PREFIX*share_external WHERE id = ?', [(int)$share['id']]);
        $this->answer($share, 'decline');
    }

    /** The other server took the share back; false when there is none of these marks. */
    public function unshared(string $remoteId, #[\SensitiveParameter] string $token): bool
    {
        return $token !== '' && $this->database->rows(
            'DELETE FROM *PREFIX*share_external WHERE remote_id = ? AND share_token = ? RETURNING id',
            [$remoteId, $token],
        ) !== [];
    }

    /** @return array<string, mixed>|null */
    public function find(string $id, string $uid): ?array
    {
        return ctype_digit($id) && strlen($id) < 19 ? $this->rows('id = ? AND "user" = ?', [(int)$id, $uid])[0] ?? null : null;
    }

    /** @return array<string, mixed>|null */
    public function withToken(#[\SensitiveParameter] string $token): ?array
    {
        return $token === '' ? null : $this->rows('share_token = ?', [$token])[0] ?? null;
    }

    /** @return list<array<string, mixed>> */
    public function of(string $uid, int $state): array
    {
        return $this->rows('"user" = ? AND accepted = ?', [$uid, $state]);
    }

    /**
     * The accepted share that this path of the account leads to, and the path below it.
     *
     * @return array{array<string, mixed>, string}|null
     */
    public function at(string $uid, string $path): ?array
    {
        [$first, $rest] = explode('/', $path, 2) + [1 => ''];
        $share = $first === '' ? null : $this->rows(
            '"user" = ? AND mountpoint_hash = ? AND accepted = ?',
            [$uid, md5("/$first"), self::ACCEPTED],
        )[0] ?? null;
        return $share === null ? null : [$share, $rest];
    }

    /** @param list<string> $values Remote, its ID, token, name, owner and account. */
    private function insert(array $values): string
    {
        $mount = '{{TemporaryMountPointName#' . $values[3] . '}}';
        for ($number = 0;; $number++) {
            $point = $mount . ($number === 0 ? '' : "-$number");
            $id = $this->database->value(
                'INSERT INTO *PREFIX*share_external (remote, remote_id, share_token, name, owner, "user", share_type, password,
                mountpoint, mountpoint_hash, accepted) VALUES (?, ?, ?, ?, ?, ?, 0, \'\', ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id',
                [...$values, $point, md5($point), self::PENDING],
            );
            if ($id !== null) {
                return (string)$id;
            }
        }
    }

    private function freeName(string $uid, string $name): string
    {
        $files = $this->kernel->get(Files::class);
        $ending = pathinfo($name, PATHINFO_EXTENSION);
        $stem = $ending === '' ? $name : substr($name, 0, -strlen($ending) - 1);
        $free = $name;
        for ($number = 2; $files->entry($uid, $free) !== null || $this->at($uid, $free) !== null; $number++) {
            $free = "$stem ($number)" . ($ending === '' ? '' : ".$ending");
        }
        return $free;
    }

    /** @param array<string, mixed> $share */
    private function answer(array $share, string $action): void
    {
        $notifications = $this->kernel->get(Notifications::class);
        $notifications->update((string)$share['remote'], (string)$share['remote_id'], (string)$share['share_token'], $action);
    }

    /**
     * @param list<mixed> $values
     * @return list<array<string, mixed>>
     */
    private function rows(string $where, array $values): array
    {
        return $this->database->rows("SELECT * FROM *PREFIX*share_external WHERE $where ORDER BY id", $values);
    }
}
