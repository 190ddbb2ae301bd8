<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Database;
use NextcloudDouble\Files;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Secrets;

/** Files of this server's accounts that are shared with accounts of other servers: the table share, type 6. */
final class OutgoingShares
{
    public const REMOTE = 6;

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    /**
     * Returns the new share; null, with the cause in the log, when it cannot be made.
     *
     * @param array<string, mixed> $entry
     * @return array<string, mixed>|null
     */
    public function create(string $uid, array $entry, string $shareWith, int $permissions): ?array
    {
        $recipient = CloudId::parse($shareWith);
        $refusal = match (true) {
            $recipient === null => 'Invalid Federated Cloud ID',
            (string)$recipient === (string)CloudId::local($this->kernel, $uid) =>
                'Not allowed to create a federated share to the same account',
            $this->isShared((int)$entry['fileid'], (string)$recipient) =>
                "Sharing {$entry['name']} failed, because this item is already shared with the account $shareWith",
            default => null,
        };
        if ($refusal !== null) {
            return $this->refuse($refusal);
        }
        $token = Secrets::word(15);
        $id = (string)$this->database->value(
            'INSERT INTO *PREFIX*share (share_type, item_type, file_source, share_with, uid_owner, uid_initiator, permissions,
            token, stime) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id',
            [
                self::REMOTE, $entry['type'] === 'httpd/unix-directory' ? 'folder' : 'file', (int)$entry['fileid'],
                (string)$recipient, $uid, $uid, $permissions, $token, time(),
            ],
        );
        if ($this->kernel->get(Notifications::class)->share($id, $token, (string)$entry['name'], $uid, $recipient)) {
            return $this->find($id);
        }
        $this->forget($id);
        return $this->refuse("Sharing {$entry['name']} failed, could not find $shareWith, maybe the server is currently"
            . ' unreachable or uses a self-signed certificate.');
    }

    /** @return array<string, mixed>|null */
    public function find(string $id): ?array
    {
        return ctype_digit($id) && strlen($id) < 19 ? $this->rows('id = ?', [(int)$id])[0] ?? null : null;
    }

    /** @return array<string, mixed>|null */
    public function withToken(#[\SensitiveParameter] string $token): ?array
    {
        return $token === '' ? null : $this->rows('token = ?', [$token])[0] ?? null;
    }

    /** @return list<array<string, mixed>> */
    public function of(string $uid, ?int $file = null): array
    {
        return $file === null
            ? $this->rows('uid_initiator = ?', [$uid])
            : $this->rows('uid_initiator = ? AND file_source = ?', [$uid, $file]);
    }

    /**
     * Where the shared file lies now: the path below its owner's files; null when it is gone.
     *
     * @param array<string, mixed> $share
     */
    public function path(array $share): ?string
    {
        return $this->kernel->get(Files::class)->pathOf((string)$share['uid_owner'], (int)$share['file_source']);
    }

    /**
     * Takes the share back and tells the other server.
     *
     * @param array<string, mixed> $share
     */
    public function revoke(array $share): void
    {
        $recipient = CloudId::parse((string)$share['share_with']);
        $this->kernel->get(Notifications::class)->update((string)$recipient?->remote, (string)$share['id'], (string)$share['token'], 'unshare');
        $this->forget((string)$share['id']);
    }

    public function forget(string $id): void
    {
        $this->database->rows('DELETE FROM *PREFIX*share WHERE id = ?', [(int)$id]);
    }

    private function isShared(int $file, string $recipient): bool
    {
        return $this->rows('file_source = ? AND share_with = ?', [$file, $recipient]) !== [];
    }

    /**
     * @param list<mixed> $values
     * @return list<array<string, mixed>>
     */
    private function rows(string $where, array $values): array
    {
        return $this->database->rows(
            'SELECT * FROM *PREFIX*share WHERE share_type = ' . self::REMOTE . " AND $where ORDER BY id",
            $values,
        );
    }

    private function refuse(string $message): null
    {
        $this->kernel->log->write(Log::ERROR, $message, 'files_sharing');
        return null;
    }
}
