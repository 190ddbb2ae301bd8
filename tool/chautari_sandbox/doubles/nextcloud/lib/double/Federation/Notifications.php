<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Jobs;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;

/** What this server tells another about a share: over Open Cloud Mesh, else over the older interface as upstream does. */
final class Notifications
{
    public const RETRY = 'OCA\FederatedFileSharing\BackgroundJob\RetryJob';
    private const TRIES = 20;
    private const INTERVAL = 600;
    private const TYPES = [
        'accept' => ['SHARE_ACCEPTED', 'Recipient accept the share'],
        'decline' => ['SHARE_DECLINED', 'Recipient declined the share'],
        'unshare' => ['SHARE_UNSHARED', 'file is no longer shared with you'],
    ];

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** Offers a share to the account of another server; false when that server does not take it. */
    public function share(string $id, string $token, string $name, string $owner, CloudId $recipient): bool
    {
        $from = CloudId::local($this->kernel, $owner);
        $sent = $this->post($recipient->remote, 'shares', [
            'shareWith' => "$recipient->user@$recipient->remote",
            'shareType' => 'user',
            'name' => $name,
            'resourceType' => 'file',
            'description' => '',
            'providerId' => $id,
            'owner' => (string)$from,
            'ownerDisplayName' => $owner,
            'sharedBy' => (string)$from,
            'sharedByDisplayName' => $owner,
            'sender' => (string)$from,
            'senderDisplayName' => $owner,
            'protocol' => ['name' => 'webdav', 'options' => [
                'sharedSecret' => $token,
                'permissions' => '{http://open-cloud-mesh.org/ns}share-permissions',
            ]],
        ]);
        return $sent || $this->postLegacy($recipient->remote, '', [
            'shareWith' => $recipient->user, 'token' => $token, 'name' => $name, 'remoteId' => $id, 'owner' => $owner,
            'ownerFederatedId' => (string)$from, 'sharedBy' => $owner, 'sharedByFederatedId' => (string)$from,
            'remote' => $from->remote, 'shareType' => 6,
        ]);
    }

    /** Tells of a share that was accepted, declined or taken back; what fails to arrive is tried again by a job. */
    public function update(string $remote, string $remoteId, string $token, string $action, bool $first = true): bool
    {
        [$type, $message] = self::TYPES[$action];
        $told = $this->post($remote, 'notifications', [
            'notificationType' => $type,
            'resourceType' => 'file',
            'providerId' => $remoteId,
            'notification' => ['sharedSecret' => $token, 'message' => $message],
        ]) || $this->postLegacy($remote, "/$remoteId/$action", ['token' => $token, 'remoteId' => $remoteId]);
        if (!$told && $first && $action === 'unshare') {
            $this->plan($remote, $remoteId, $token, $action, 0);
        }
        return $told;
    }

    /** @param array<string, mixed> $job */
    public function retry(array $job): void
    {
        $argument = (array)json_decode((string)$job['argument'], true);
        if (time() - (int)$argument['lastRun'] <= self::INTERVAL) {
            return;
        }
        $try = (int)$argument['try'] + 1;
        $message = [(string)$argument['remote'], (string)$argument['remoteId'], (string)$argument['token'], (string)$argument['action']];
        $done = $this->update(...$message, first: false) || $try > self::TRIES;
        $this->kernel->get(Jobs::class)->remove($job);
        if (!$done) {
            $this->plan(...$message, try: $try);
        }
    }

    private function plan(string $remote, string $remoteId, string $token, string $action, int $try): void
    {
        $this->kernel->get(Jobs::class)->add(self::RETRY, [
            'remote' => $remote, 'remoteId' => $remoteId, 'token' => $token, 'action' => $action, 'data' => '[]',
            'try' => $try, 'lastRun' => time(),
        ]);
    }

    /** @param array<string, mixed> $payload */
    private function post(string $remote, string $path, array $payload): bool
    {
        $discovery = $this->kernel->get(OcmDiscovery::class);
        $provider = $discovery->discover($remote);
        if (($provider['enabled'] ?? false) !== true) {
            return false;
        }
        $config = $this->kernel->get(AppConfig::class);
        $url = "{$provider['endPoint']}/$path";
        if ($config->get('core', 'ocm_signed_request_enforced') === '1' && $discovery->publicKey(OwnAddress::identity($url)) === null) {
            return false;
        }
        $body = json_encode($payload, JSON_THROW_ON_ERROR);
        $signs = $config->get('core', 'ocm_signed_request_disabled') !== '1';
        $headers = $signs ? $this->kernel->get(SigningKey::class)->headers('post', $url, $body) : [];
        return $this->ask($url, ['headers' => ['Content-Type' => 'application/json'] + $headers, 'body' => $body, 'timeout' => 5]) === 201;
    }

    /** @param array<string, mixed> $fields */
    private function postLegacy(string $remote, string $path, array $fields): bool
    {
        $remote = rtrim($remote, '/');
        $endpoint = $this->kernel->get(OcsDiscovery::class)->endpoint($remote, 'share', '/ocs/v2.php/cloud/shares');
        $options = ['body' => http_build_query($fields), 'timeout' => 10];
        return $this->ask("$remote$endpoint$path?format=json", $options) === 200;
    }

    /** @param array<string, mixed> $options */
    private function ask(string $url, array $options): int
    {
        try {
            $answer = $this->kernel->get(Client::class)->request('POST', $url, $options);
        } catch (Unreachable $error) {
            $this->kernel->log->write(Log::DEBUG, $error->getMessage(), 'federatedfilesharing');
            return 0;
        }
        if ($answer->status >= 400) {
            $this->kernel->log->write(Log::DEBUG, "$url answered $answer->status: " . substr($answer->body, 0, 500), 'federatedfilesharing');
        }
        return $answer->status;
    }
}
