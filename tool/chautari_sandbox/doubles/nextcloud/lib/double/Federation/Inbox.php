<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Kernel;

/** What other servers tell about shares, whichever interface they use. */
final class Inbox
{
    private readonly OutgoingShares $outgoing;
    private readonly IncomingShares $incoming;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->outgoing = $kernel->get(OutgoingShares::class);
        $this->incoming = $kernel->get(IncomingShares::class);
    }

    /** The account of another server that a share with this token concerns; empty when there is none. */
    public function correspondent(#[\SensitiveParameter] string $token): string
    {
        $given = $this->outgoing->withToken($token);
        $taken = $given === null ? $this->incoming->withToken($token) : null;
        return (string)($given['share_with'] ?? ($taken === null ? '' : "{$taken['user']}@{$taken['remote']}"));
    }

    /** The recipient accepted or declined a share of this server. */
    public function answered(string $id, #[\SensitiveParameter] string $token, bool $declined): void
    {
        $config = $this->kernel->get(AppConfig::class);
        if ($config->get('files_sharing', 'outgoing_server2server_share_enabled', 'yes') !== 'yes') {
            throw new ShareRefused('Server does not support federated cloud sharing', 501);
        }
        $share = $this->outgoing->find($id) ?? throw new ShareRefused('', 400);
        if (!hash_equals((string)$share['token'], $token)) {
            throw new ShareRefused('RESOURCE_NOT_FOUND', 403);
        }
        if ($declined) {
            $this->outgoing->forget($id);
        }
    }

    /** The owner took back a share with an account of this server. */
    public function unshared(string $id, #[\SensitiveParameter] string $token): void
    {
        if (!$this->incoming->enabled()) {
            throw new ShareRefused('incoming shares disabled!', 501);
        }
        $this->incoming->unshared($id, $token);
    }
}
