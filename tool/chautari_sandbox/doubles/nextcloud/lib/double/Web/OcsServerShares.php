<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Apps;
use NextcloudDouble\Federation\CloudId;
use NextcloudDouble\Federation\Inbox;
use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Federation\ShareRefused;
use NextcloudDouble\Kernel;

/** The older interface for shares between servers: without signatures, and still open in upstream. */
final class OcsServerShares
{
    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
    }

    public function isMine(): bool
    {
        return preg_match('~^POST /cloud/shares(/\d+/(accept|decline|unshare))?$~', "{$this->request->method} {$this->request->path}") === 1
            && $this->kernel->get(Apps::class)->enabled('federatedfilesharing');
    }

    /** @return array{} */
    public function answer(): array
    {
        [, , , $id, $action] = explode('/', $this->request->path) + [3 => '', 4 => ''];
        if ($id === '') {
            $this->receive();
            return [];
        }
        $inbox = $this->kernel->get(Inbox::class);
        $token = $this->request->field('token');
        try {
            $action === 'unshare' ? $inbox->unshared($id, $token) : $inbox->answered($id, $token, $action === 'decline');
        } catch (ShareRefused) {
            // As upstream, the sender does not hear of it.
        }
        return [];
    }

    private function receive(): void
    {
        $field = $this->request->field(...);
        $owner = $field('ownerFederatedId') ?: $field('owner') . '@' . rtrim($field('remote'), '/');
        try {
            $this->kernel->get(IncomingShares::class)->receive(
                (string)CloudId::parse($owner),
                $field('owner'),
                $field('shareWith'),
                $field('name'),
                $field('remoteId'),
                $field('token'),
            );
        } catch (ShareRefused $error) {
            throw new OcsError(400, $error->getMessage());
        }
    }
}
