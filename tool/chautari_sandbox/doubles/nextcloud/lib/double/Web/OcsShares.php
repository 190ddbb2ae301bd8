<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Apps;
use NextcloudDouble\Federation\CloudId;
use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Federation\OutgoingShares;
use NextcloudDouble\Federation\TrustedServers;
use NextcloudDouble\Files;
use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** The shares of an account over OCS: those with other servers, and those that other servers offer. */
final class OcsShares
{
    private const PREFIX = '/apps/files_sharing/api/v1/';
    private const ALL = 31;
    private const READ = 1;
    private const NOT_FOR_FILES = 4 | 8;

    private readonly Files $files;
    private readonly OutgoingShares $outgoing;
    private readonly IncomingShares $incoming;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->files = $kernel->get(Files::class);
        $this->outgoing = $kernel->get(OutgoingShares::class);
        $this->incoming = $kernel->get(IncomingShares::class);
    }

    public function isMine(): bool
    {
        return preg_match('~^' . self::PREFIX . '(shares|remote_shares)(/|$)~', $this->request->path) === 1
            && $this->kernel->get(Apps::class)->enabled('files_sharing');
    }

    /** @return array<int|string, mixed> */
    public function answer(string $uid): array
    {
        $this->files->prepare($uid);
        $parts = explode('/', substr($this->request->path, strlen(self::PREFIX)));
        $id = end($parts);
        $pattern = preg_replace('~/\d+$~', '/ID', "{$this->request->method} " . implode('/', $parts));
        return match ($pattern) {
            'POST shares' => $this->create($uid),
            'GET shares' => $this->list($uid),
            'GET shares/ID' => [$this->describe($this->own($uid, $id))],
            'DELETE shares/ID' => $this->done($this->outgoing->revoke(...), $this->own($uid, $id)),
            'GET remote_shares' => array_map($this->describeRemote(...), $this->incoming->of($uid, IncomingShares::ACCEPTED)),
            'GET remote_shares/pending' => array_map($this->describeRemote(...), $this->incoming->of($uid, IncomingShares::PENDING)),
            'POST remote_shares/pending/ID' => $this->done($this->incoming->accept(...), $this->offered($uid, $id)),
            'DELETE remote_shares/pending/ID', 'DELETE remote_shares/ID' =>
                $this->done($this->incoming->decline(...), $this->offered($uid, $id)),
            'GET remote_shares/ID' => $this->describeRemote($this->offered($uid, $id)),
            default => throw new OcsError(OcsError::NOT_FOUND, 'Invalid query, please check the syntax.'),
        };
    }

    /** @return array<string, mixed> */
    private function create(string $uid): array
    {
        $path = trim($this->request->field('path'), '/');
        if ($this->request->field('path') === '') {
            throw new OcsError(404, 'Please specify a file or folder path');
        }
        $entry = $this->files->entry($uid, $path) ?? throw new OcsError(404, 'Wrong path, file/folder does not exist');
        if ((int)$this->request->field('shareType') !== OutgoingShares::REMOTE) {
            throw new OcsError(400, 'Unknown share type');
        }
        $config = $this->kernel->get(AppConfig::class);
        if ($config->get('files_sharing', 'outgoing_server2server_share_enabled', 'yes') !== 'yes') {
            throw new OcsError(403, "Sharing $path failed because the back end does not allow shares from type 6");
        }
        $permissions = $this->request->field('permissions');
        $permissions = $permissions === '' ? (int)$config->get('core', 'shareapi_default_permissions', (string)self::ALL) : (int)$permissions;
        $permissions = ($permissions & self::ALL) | self::READ;
        if ($entry['type'] !== 'httpd/unix-directory') {
            $permissions &= ~self::NOT_FOR_FILES;
        }
        $share = $this->outgoing->create($uid, $entry, $this->request->field('shareWith'), $permissions);
        return $this->describe($share ?? throw new OcsError(403, 'Failed to create share.'));
    }

    /** @return list<array<string, mixed>> */
    private function list(string $uid): array
    {
        if ($this->request->field('shared_with_me') === 'true') {
            return [];
        }
        $path = trim($this->request->field('path'), '/');
        $entry = $path === '' ? null
            : ($this->files->entry($uid, $path) ?? throw new OcsError(404, 'Wrong path, file/folder does not exist'));
        $shares = $this->outgoing->of($uid, $entry === null ? null : (int)$entry['fileid']);
        return array_map($this->describe(...), array_values(array_filter(
            $shares,
            fn (array $share): bool => $this->outgoing->path($share) !== null,
        )));
    }

    /** @return array<string, mixed> */
    private function own(string $uid, string $id): array
    {
        $share = $this->outgoing->find($id);
        return $share !== null && $share['uid_initiator'] === $uid ? $share
            : throw new OcsError(404, 'Wrong share ID, share does not exist');
    }

    /** @return array<string, mixed> */
    private function offered(string $uid, string $id): array
    {
        return $this->incoming->find($id, $uid) ?? throw new OcsError(404, 'Wrong share ID, share does not exist.');
    }

    /**
     * @param \Closure(array<string, mixed>): void $action
     * @param array<string, mixed> $share
     * @return array{}
     */
    private function done(\Closure $action, array $share): array
    {
        $action($share);
        return [];
    }

    /**
     * @param array<string, mixed> $share
     * @return array<string, mixed>
     */
    private function describe(array $share): array
    {
        $owner = (string)$share['uid_owner'];
        $path = (string)$this->outgoing->path($share);
        $entry = (array)$this->files->entry($owner, $path);
        $name = $this->kernel->get(Users::class)->displayName($owner);
        $remote = (string)CloudId::parse((string)$share['share_with'])?->remote;
        return [
            'id' => (string)$share['id'], 'share_type' => OutgoingShares::REMOTE, 'uid_owner' => $owner, 'displayname_owner' => $name,
            'permissions' => (int)$share['permissions'], 'can_edit' => true, 'can_delete' => true, 'stime' => (int)$share['stime'],
            'parent' => null, 'expiration' => null, 'token' => $share['token'], 'uid_file_owner' => $owner,
            'note' => (string)$share['note'], 'label' => '', 'displayname_file_owner' => $name, 'path' => "/$path",
            'item_type' => $share['item_type'], 'mimetype' => $entry['type'] ?? null, 'item_source' => (int)$share['file_source'],
            'file_source' => (int)$share['file_source'], 'file_parent' => (int)($entry['parent'] ?? 0), 'file_target' => '',
            'item_size' => (int)($entry['size'] ?? 0), 'item_mtime' => (int)($entry['mtime'] ?? 0),
            'is_trusted_server' => $this->kernel->get(TrustedServers::class)->trusts($remote),
            'share_with' => $share['share_with'], 'share_with_displayname' => $share['share_with'],
        ];
    }

    /**
     * @param array<string, mixed> $share
     * @return array<string, mixed>
     */
    private function describeRemote(array $share): array
    {
        return [
            'id' => (string)$share['id'], 'parent' => null, 'share_type' => 0, 'remote' => $share['remote'],
            'remote_id' => $share['remote_id'], 'share_token' => $share['share_token'], 'name' => $share['name'],
            'owner' => $share['owner'], 'user' => $share['user'], 'mountpoint' => $share['mountpoint'],
            'accepted' => (int)$share['accepted'], 'file_id' => null, 'mimetype' => null, 'permissions' => null,
            'mtime' => null, 'type' => null, 'item_size' => null,
        ];
    }
}
