<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Kernel;
use NextcloudDouble\Secrets;

/** The server's own key for requests between servers, kept in the data folder where upstream keeps it. */
final class SigningKey
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** The name under which others know the key, always with https and without index.php, as upstream writes it. */
    public function id(): string
    {
        return 'https://' . OwnAddress::identity(OwnAddress::url($this->kernel)) . '/ocm#signature';
    }

    public function publicPem(): string
    {
        $this->create();
        return (string)file_get_contents($this->folder() . '/public');
    }

    /** @return array<string, string> The headers that sign this request. */
    public function headers(string $method, string $url, string $body): array
    {
        $headers = [
            'content-length' => (string)strlen($body),
            'date' => gmdate('D, d M Y H:i:s T'),
            'digest' => 'SHA-512=' . base64_encode(hash('sha512', $body, true)),
            'host' => OwnAddress::identity($url),
        ];
        $lines = ['(request-target): ' . strtolower($method) . ' ' . (parse_url($url, PHP_URL_PATH) ?: '/')];
        foreach ($headers as $name => $value) {
            $lines[] = "$name: $value";
        }
        openssl_sign(implode("\n", $lines), $signature, $this->privatePem(), OPENSSL_ALGO_SHA512);
        return $headers + ['Signature' => "keyId=\"{$this->id()}\",algorithm=\"rsa-sha512\","
            . 'headers="(request-target) ' . implode(' ', array_keys($headers)) . '",signature="' . base64_encode($signature) . '"'];
    }

    private function privatePem(): string
    {
        $this->create();
        $sealed = (string)file_get_contents($this->folder() . '/private');
        return (string)Secrets::open($sealed, $this->kernel->config->string('secret'));
    }

    private function create(): void
    {
        $folder = $this->folder();
        if (is_file("$folder/public")) {
            return;
        }
        is_dir($folder) || mkdir($folder, 0755, true);
        $key = openssl_pkey_new(['private_key_bits' => 2048, 'private_key_type' => OPENSSL_KEYTYPE_RSA]);
        openssl_pkey_export($key, $private);
        file_put_contents("$folder/private", Secrets::seal($private, $this->kernel->config->string('secret')));
        file_put_contents("$folder/.public", openssl_pkey_get_details($key)['key']);
        rename("$folder/.public", "$folder/public");
    }

    private function folder(): string
    {
        $data = $this->kernel->dataDirectory() . '/appdata_' . $this->kernel->config->string('instanceid');
        return "$data/identityproof/app-core-ocm_external";
    }
}
