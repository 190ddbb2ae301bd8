<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Apps;
use NextcloudDouble\Federation\Handshake;
use NextcloudDouble\Federation\TrustedServers;
use NextcloudDouble\Groups;
use NextcloudDouble\Kernel;
use NextcloudDouble\Throttle;

/** The app `federation` over OCS: the list of trusted servers for administrators, the handshake for servers. */
final class OcsFederation
{
    private const THROTTLED = 'federationSharedSecret';
    private const LIST = '/apps/federation/trusted-servers';
    private const OFFER = ['POST /apps/federation/api/v1/request-shared-secret', 'POST /cloud/shared-secret'];
    private const FETCH = ['GET /apps/federation/api/v1/shared-secret', 'GET /cloud/shared-secret'];

    private readonly bool $enabled;
    private readonly string $call;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->enabled = $kernel->get(Apps::class)->enabled('federation');
        $this->call = "$request->method $request->path";
    }

    public function isForServers(): bool
    {
        return $this->enabled && in_array($this->call, [...self::OFFER, ...self::FETCH], true);
    }

    public function isForAdmins(): bool
    {
        return $this->enabled && ($this->request->path === self::LIST || str_starts_with($this->request->path, self::LIST . '/'));
    }

    /** @return array<string, mixed> */
    public function answerServer(): array
    {
        $throttle = $this->kernel->get(Throttle::class);
        if ($throttle->blocks(self::THROTTLED)) {
            throw new OcsError(429, 'Reached maximum delay');
        }
        $handshake = $this->kernel->get(Handshake::class);
        [$url, $token] = [$this->request->field('url'), $this->request->field('token')];
        $isOffer = in_array($this->call, self::OFFER, true);
        $answer = $isOffer ? $handshake->offered($url, $token) : $handshake->secretFor($url, $token);
        if ($answer === false || $answer === null) {
            $throttle->register(self::THROTTLED);
            throw new OcsError(403);
        }
        return $isOffer ? [] : ['sharedSecret' => $answer];
    }

    /** @return array<int|string, mixed> */
    public function answerAdmin(string $uid): array
    {
        if (!in_array('admin', $this->kernel->get(Groups::class)->of($uid), true)) {
            throw new OcsError(403, 'Logged in account must be an admin, a sub admin or gotten special right to access this setting');
        }
        $servers = $this->kernel->get(TrustedServers::class);
        $id = substr($this->request->path, strlen(self::LIST) + 1);
        return match (true) {
            $this->call === 'GET ' . self::LIST => array_map(static fn (array $server): array => [
                'url' => $server['url'], 'id' => (int)$server['id'], 'status' => (int)$server['status'],
            ], $servers->all()),
            $this->call === 'POST ' . self::LIST => $this->add($servers, $this->request->field('url')),
            $this->request->method === 'DELETE' && ctype_digit($id) && strlen($id) < 10 => $servers->remove((int)$id)
                ? ['id' => (int)$id] : throw new OcsError(404, "No server found with ID: $id"),
            default => throw new OcsError(OcsError::NOT_FOUND, 'Invalid query, please check the syntax.'),
        };
    }

    /** @return array<string, mixed> */
    private function add(TrustedServers $servers, string $url): array
    {
        if ($servers->trusts(trim($url))) {
            throw new OcsError(409, 'Server is already in the list of trusted servers.');
        }
        if (!$servers->isNextcloud(trim($url))) {
            throw new OcsError(404, 'No server to federate with found');
        }
        $id = $servers->add(trim($url));
        return ['url' => $url, 'id' => $id, 'message' => 'Added to the list of trusted servers'];
    }
}
