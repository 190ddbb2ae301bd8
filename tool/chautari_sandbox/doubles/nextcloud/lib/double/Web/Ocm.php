<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Apps;
use NextcloudDouble\Federation\BadSignature;
use NextcloudDouble\Federation\CloudId;
use NextcloudDouble\Federation\Inbox;
use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Federation\OcmDiscovery;
use NextcloudDouble\Federation\OutgoingShares;
use NextcloudDouble\Federation\OwnAddress;
use NextcloudDouble\Federation\ShareRefused;
use NextcloudDouble\Federation\SignedRequest;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Users;

/** Open Cloud Mesh: what other servers ask for and send, always as JSON. */
final class Ocm
{
    private const FOREIGN_SHARE = 'share initiation (%s) from different instance (%s) [key=owner]';
    private const FOREIGN_NOTICE = 'remote instance %2$s not linked to origin %1$s';

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
    }

    public function isMine(): bool
    {
        $path = $this->request->path;
        return $path === '/ocm-provider' || ($this->kernel->get(Apps::class)->enabled('cloud_federation_api')
            && ($path === '/.well-known/ocm' || str_starts_with($path, '/ocm/')))
            || $path === '/apps/files_sharing/shareinfo';
    }

    public function handle(): void
    {
        try {
            match ("{$this->request->method} {$this->request->path}") {
                'GET /.well-known/ocm', 'GET /ocm-provider' => $this->discovery(),
                'POST /ocm/shares' => $this->share(),
                'POST /ocm/notifications' => $this->notification(),
                'POST /apps/files_sharing/shareinfo' => $this->info(),
                default => http_response_code(404),
            };
        } catch (BadSignature $error) {
            $this->kernel->log->write(Log::WARN, "incoming request exception: {$error->getMessage()}", 'cloud_federation_api');
            $this->refuse(400, $error->getMessage());
        } catch (ShareRefused $error) {
            $this->refuse($error->getCode() ?: 501, $error->getMessage());
        }
    }

    private function discovery(): void
    {
        header($this->request->path === '/ocm-provider' ? 'X-NEXTCLOUD-OCM-PROVIDERS: 1' : 'X-NEXTCLOUD-WELL-KNOWN: 1');
        Page::json($this->kernel->get(OcmDiscovery::class)->own());
    }

    private function share(): void
    {
        $share = $this->request->json();
        $text = static fn (string $key): string => is_scalar($share[$key] ?? null) ? (string)$share[$key] : '';
        (new SignedRequest($this->kernel, $this->request))->requireOrigin($text('owner'), self::FOREIGN_SHARE);
        $token = $share['protocol']['options']['sharedSecret'] ?? null;
        if (!is_string($token) || array_filter(['shareWith', 'name', 'providerId', 'resourceType', 'shareType'], static fn (string $key): bool => !isset($share[$key]))) {
            $this->refuse(400, 'Missing arguments');
            return;
        }
        if ($text('resourceType') !== 'file' || $text('shareType') !== 'user') {
            $this->refuse(501, "Share type \"{$text('shareType')}\" not implemented");
            return;
        }
        if (($share['protocol']['name'] ?? '') !== 'webdav') {
            throw new ShareRefused('Unsupported protocol for data exchange.');
        }
        $users = $this->kernel->get(Users::class);
        $name = (string)CloudId::parse($text('shareWith'))?->user;
        $uid = $users->find($name);
        if ($uid === null) {
            $this->refuse(400, "User \"$name\" does not exists at " . OwnAddress::link($this->kernel, ''));
            return;
        }
        $this->kernel->get(IncomingShares::class)->receive(
            $text('owner'),
            $text('ownerDisplayName'),
            $uid,
            $text('name'),
            $text('providerId'),
            $token,
        );
        Page::json(['recipientDisplayName' => $users->displayName($uid), 'recipientUserId' => $uid], 201);
    }

    private function notification(): void
    {
        $message = $this->request->json();
        [$type, $id] = [$message['notificationType'] ?? null, $message['providerId'] ?? null];
        $token = $message['notification']['sharedSecret'] ?? '';
        if (!is_string($type) || !is_scalar($id) || !is_string($token) || ($message['resourceType'] ?? '') !== 'file') {
            $this->refuse(400, 'Missing arguments');
            return;
        }
        $inbox = $this->kernel->get(Inbox::class);
        (new SignedRequest($this->kernel, $this->request))->requireOrigin($inbox->correspondent($token), self::FOREIGN_NOTICE);
        match ($type) {
            'SHARE_ACCEPTED' => $inbox->answered((string)$id, $token, false),
            'SHARE_DECLINED' => $inbox->answered((string)$id, $token, true),
            'SHARE_UNSHARED' => $inbox->unshared((string)$id, $token),
            default => throw new ShareRefused("Invalid Parameter: $type", 400),
        };
        Page::json([], 201);
    }

    /** Whether a share with this token still exists, for a server that cannot read it any more. */
    private function info(): void
    {
        $shares = $this->kernel->get(OutgoingShares::class);
        $share = $shares->withToken($this->request->field('t'));
        $path = $share === null ? null : $shares->path($share);
        if ($share === null || $path === null) {
            Page::json([], 404);
            return;
        }
        Page::json(['id' => (int)$share['file_source'], 'name' => basename($path), 'permissions' => (int)$share['permissions']]);
    }

    private function refuse(int $status, string $message): void
    {
        Page::json(['message' => $message] + ($status === 400 ? ['validationErrors' => []] : []), $status);
    }
}
