<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Caches;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;

/** What a server says of its Open Cloud Mesh interface, asked at others and told to them. */
final class OcmDiscovery
{
    private const VERSION = '1.1.0';
    private const GOOD_FOR = 86400;
    private const FAILED_FOR = 300;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /**
     * Returns null when the server does not answer as one, or did not within the last five minutes.
     *
     * @return array<string, mixed>|null
     */
    public function discover(string $remote, bool $fresh = false): ?array
    {
        $remote = rtrim($remote, '/');
        if (!preg_match('~^https?://~', $remote)) {
            return $this->discover("https://$remote", $fresh) ?? $this->discover("http://$remote", $fresh);
        }
        $cache = $this->kernel->get(Caches::class)->distributed();
        $key = "ocm-discovery/$remote";
        $known = $fresh ? null : $cache->get($key);
        if (is_array($known)) {
            return $known === [] ? null : $known;
        }
        $found = $this->ask("$remote/.well-known/ocm") ?? $this->ask("$remote/ocm-provider");
        $cache->set($key, $found ?? [], $found === null ? self::FAILED_FOR : self::GOOD_FOR);
        if ($found === null) {
            $this->kernel->log->write(Log::WARN, "error while discovering ocm provider $remote");
        }
        return $found;
    }

    /** @return array{keyId: string, publicKeyPem: string}|null */
    public function publicKey(string $remote): ?array
    {
        $key = $this->discover($remote, true)['publicKey'] ?? null;
        $id = is_array($key) ? ($key['keyId'] ?? '') : '';
        $pem = is_array($key) ? ($key['publicKeyPem'] ?? '') : '';
        return is_string($id) && is_string($pem) && $id !== '' && $pem !== ''
            ? ['keyId' => $id, 'publicKeyPem' => $pem] : null;
    }

    /** @return array<string, mixed> */
    public function own(): array
    {
        $config = $this->kernel->get(AppConfig::class);
        $provider = [
            'enabled' => false,
            'apiVersion' => '1.0-proposal1',
            'version' => '',
            'endPoint' => '',
            'publicKey' => null,
            'provider' => 'Nextcloud ' . $this->kernel->config->string('version') . ' (double)',
            'resourceTypes' => [],
        ];
        if ($config->get('core', 'ocm_discovery_enabled', '1') !== '1') {
            return $provider;
        }
        $key = $this->kernel->get(SigningKey::class);
        $signs = $config->get('core', 'ocm_signed_request_disabled', '0') !== '1';
        return [
            'enabled' => true,
            'version' => self::VERSION,
            'endPoint' => OwnAddress::link($this->kernel, '/ocm'),
            'publicKey' => $signs ? ['keyId' => $key->id(), 'publicKeyPem' => $key->publicPem()] : null,
            'resourceTypes' => [[
                'name' => 'file', 'shareTypes' => ['user'], 'protocols' => ['webdav' => '/public.php/webdav/'],
            ]],
        ] + $provider + ['capabilities' => ['notifications', 'shares']];
    }

    /** @return array<string, mixed>|null */
    private function ask(string $url): ?array
    {
        try {
            $answer = $this->kernel->get(Client::class)->request('GET', $url, ['timeout' => 10]);
        } catch (Unreachable) {
            return null;
        }
        $found = $answer->status === 200 ? $answer->json() : null;
        $version = $found['version'] ?? $found['apiVersion'] ?? '';
        return is_string($found['endPoint'] ?? null) && $found['endPoint'] !== '' && $version !== '' ? $found : null;
    }
}
