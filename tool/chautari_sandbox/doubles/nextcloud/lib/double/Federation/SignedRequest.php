<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Database;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Web\Request;

/**
 * Who signed a request between servers.
 *
 * A server that once signed must sign always; one that never did may send without a signature unless
 * `ocm_signed_request_enforced` is set.
 */
final class SignedRequest
{
    private const AGE = 300;
    private const ALGORITHMS = ['rsa-sha256' => OPENSSL_ALGO_SHA256, 'rsa-sha512' => OPENSSL_ALGO_SHA512];
    private const DIGESTS = ['SHA-256' => 'sha256', 'SHA-512' => 'sha512'];

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->database = $kernel->get(Database::class);
    }

    /** Refuses the request unless the server in this federated ID (name@server) sent it. */
    public function requireOrigin(string $federatedId, string $what): void
    {
        if ($this->setting('ocm_signed_request_disabled')) {
            return;
        }
        if (!str_contains($federatedId, '@')) {
            throw new BadSignature("entry $federatedId does not contain @");
        }
        $place = preg_replace('~^https?://~', '', substr($federatedId, strrpos($federatedId, '@') + 1));
        $host = OwnAddress::identity("https://$place");
        $origin = $this->origin();
        if ($origin === null && $this->database->value('SELECT 1 FROM *PREFIX*sec_signatory WHERE host = ?', [$host]) !== null) {
            throw new BadSignature('instance is supposed to sign its request');
        }
        if ($origin !== null && $origin !== $host) {
            throw new BadSignature(sprintf($what, $origin, $federatedId));
        }
    }

    /** The server that signed; null when nobody did. */
    private function origin(): ?string
    {
        $header = $this->request->header('Signature');
        preg_match_all('/(\w+)="([^"]*)"/', $header, $pairs);
        $parts = array_combine($pairs[1], $pairs[2]);
        $origin = OwnAddress::identity($parts['keyId'] ?? '');
        try {
            $verified = $header !== '' && $this->verify($parts, $origin);
        } catch (BadSignature $error) {
            $this->kernel->log->write(Log::WARN, "wrongly signed request: {$error->getMessage()}");
            throw new BadSignature('Invalid signature');
        }
        if (!$verified && $this->setting('ocm_signed_request_enforced')) {
            throw new BadSignature('Unsigned request');
        }
        return $verified ? $origin : null;
    }

    /**
     * Returns false when the key of the origin cannot be had.
     *
     * @param array<string, string> $parts
     */
    private function verify(array $parts, string $origin): bool
    {
        $this->checkHeaders();
        $text = $this->text($parts);
        $known = $this->database->rows('SELECT * FROM *PREFIX*sec_signatory WHERE key_id = ?', [$parts['keyId']])[0] ?? null;
        if ($known !== null && $this->matches($text, $parts, (string)$known['public_key'])) {
            return true;
        }
        $key = $this->kernel->get(OcmDiscovery::class)->publicKey($origin);
        if ($key === null) {
            return false;
        }
        if ($key['keyId'] !== $parts['keyId']) {
            throw new BadSignature('keyId from signatory not related to the one from request');
        }
        if (!$this->matches($text, $parts, $key['publicKeyPem'])) {
            throw new BadSignature('signature issue');
        }
        $this->database->rows(
            'INSERT INTO *PREFIX*sec_signatory (key_id_sum, key_id, host, public_key, creation, last_updated)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
            [hash('sha256', $key['keyId']), $key['keyId'], $origin, $key['publicKeyPem'], time(), time()],
        );
        return true;
    }

    private function checkHeaders(): void
    {
        $body = $this->request->body();
        $digest = explode('=', $this->request->header('Digest'), 2);
        $algorithm = self::DIGESTS[$digest[0]] ?? throw new BadSignature('unknown digest algorithm');
        $sent = strtotime($this->request->header('Date'));
        $complaint = match (true) {
            $sent === false => 'missing date in header',
            $sent < time() - self::AGE => 'object is too old',
            (int)$this->request->header('Content-Length') !== strlen($body) => 'inexact content-length in header',
            ($digest[1] ?? '') !== base64_encode(hash($algorithm, $body, true)) => 'invalid value for digest in header',
            default => null,
        };
        if ($complaint !== null) {
            throw new BadSignature($complaint);
        }
    }

    /** @param array<string, string> $parts */
    private function text(array $parts): string
    {
        $names = explode(' ', $parts['headers'] ?? '');
        $missing = array_diff(['date', 'host', 'content-length', 'digest'], $names);
        if ($missing !== [] || !isset($parts['signature'])) {
            throw new BadSignature('missing entries in Signature.headers: ' . json_encode(array_values($missing)));
        }
        $lines = ['(request-target): ' . strtolower($this->request->method) . ' ' . ($_SERVER['REQUEST_URI'] ?? '/')];
        foreach (array_diff($names, ['(request-target)']) as $name) {
            $lines[] = "$name: " . ($name === 'host' ? $this->request->host() : $this->request->header($name));
        }
        return implode("\n", $lines);
    }

    /** @param array<string, string> $parts */
    private function matches(string $text, array $parts, string $pem): bool
    {
        $algorithm = self::ALGORITHMS[$parts['algorithm'] ?? ''] ?? OPENSSL_ALGO_SHA256;
        return openssl_verify($text, (string)base64_decode($parts['signature']), $pem, $algorithm) === 1;
    }

    private function setting(string $name): bool
    {
        return $this->kernel->get(AppConfig::class)->get('core', $name, '0') === '1';
    }
}
