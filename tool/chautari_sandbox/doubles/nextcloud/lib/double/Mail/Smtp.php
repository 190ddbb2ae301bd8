<?php

declare(strict_types=1);

namespace NextcloudDouble\Mail;

/** One conversation with a mail server; STARTTLS is used, and verified, when the server offers it. */
final class Smtp
{
    /** @var resource */
    private $stream;

    /** @param array<string, mixed> $streamOptions */
    public function __construct(string $host, int $port, private readonly bool $secure, array $streamOptions, int $timeout)
    {
        $options = array_replace_recursive(['ssl' => ['peer_name' => $host]], $streamOptions);
        $address = ($secure ? 'ssl' : 'tcp') . "://$host:$port";
        $stream = @stream_socket_client(
            $address,
            $code,
            $message,
            $timeout,
            STREAM_CLIENT_CONNECT,
            stream_context_create($options),
        );
        if ($stream === false) {
            throw new \RuntimeException("Connection could not be established with host \"$address\": $message");
        }
        stream_set_timeout($stream, $timeout);
        $this->stream = $stream;
        $this->expect(220);
    }

    public function send(
        string $from,
        string $to,
        string $message,
        string $login,
        #[\SensitiveParameter] string $password,
    ): void {
        $offers = $this->hello();
        if (!$this->secure && preg_match('/^STARTTLS$/m', $offers)) {
            $this->command('STARTTLS', 220);
            if (!@stream_socket_enable_crypto($this->stream, true, STREAM_CRYPTO_METHOD_TLS_CLIENT)) {
                throw new \RuntimeException('Unable to connect with STARTTLS: ' . (error_get_last()['message'] ?? ''));
            }
            $this->hello();
        }
        if ($login !== '') {
            $this->command('AUTH PLAIN ' . base64_encode("\0$login\0$password"), 235);
        }
        $this->command("MAIL FROM:<$from>", 250);
        $this->command("RCPT TO:<$to>", 250);
        $this->command('DATA', 354);
        $this->command(preg_replace('/^\./m', '..', rtrim($message)) . "\r\n.", 250);
        $this->command('QUIT', 221);
        fclose($this->stream);
    }

    private function hello(): string
    {
        return $this->command('EHLO ' . (gethostname() ?: '[127.0.0.1]'), 250);
    }

    private function command(#[\SensitiveParameter] string $line, int $code): string
    {
        fwrite($this->stream, $line . "\r\n");
        return $this->expect($code);
    }

    private function expect(int $code): string
    {
        $answer = '';
        do {
            $line = fgets($this->stream, 1024);
            if ($line === false) {
                throw new \RuntimeException('The mail server closed the connection');
            }
            $answer .= substr(rtrim($line), 4) . "\n";
        } while (($line[3] ?? ' ') === '-');
        if ((int)$line !== $code) {
            throw new \RuntimeException("Expected response code \"$code\" but got: " . rtrim($line));
        }
        return $answer;
    }
}
