<?php

declare(strict_types=1);

namespace NextcloudDouble\Mail;

use NextcloudDouble\Config;
use NextcloudDouble\Kernel;

/** Sends mail as the mail_* settings say. */
final class Mailer
{
    private readonly Config $config;

    public function __construct(Kernel $kernel)
    {
        $this->config = $kernel->config;
    }

    public function send(string $to, string $name, string $subject, string $text): void
    {
        $from = $this->sender();
        $message = $this->message($from, $to, $name, $subject, $text);
        match ($this->config->string('mail_smtpmode', 'smtp')) {
            'null' => null,
            'sendmail' => $this->pipe($from, $message),
            default => $this->deliver($from, $to, $message),
        };
    }

    private function sender(): string
    {
        $host = parse_url($this->config->string('overwrite.cli.url'), PHP_URL_HOST) ?: 'localhost';
        $local = $this->config->string('mail_from_address', 'lostpassword-noreply');
        return "$local@" . $this->config->string('mail_domain', $host);
    }

    private function message(string $from, string $to, string $name, string $subject, string $text): string
    {
        $boundary = 'double-' . bin2hex(random_bytes(8));
        $headers = [
            'From: Nextcloud <' . $from . '>',
            'To: ' . mb_encode_mimeheader($name, 'UTF-8', 'Q') . ' <' . $to . '>',
            'Subject: ' . mb_encode_mimeheader($subject, 'UTF-8', 'Q'),
            'Date: ' . date(DATE_RFC2822),
            'Message-ID: <' . bin2hex(random_bytes(16)) . '@' . substr(strrchr($from, '@'), 1) . '>',
            'Auto-Submitted: auto-generated',
            'X-Sandbox: double of Nextcloud',
            'MIME-Version: 1.0',
            "Content-Type: multipart/alternative; boundary=\"$boundary\"",
        ];
        $html = nl2br(preg_replace('~https?://\S+~', '<a href="$0">$0</a>', htmlspecialchars($text)));
        $body = '';
        foreach (['text/plain' => $text, 'text/html' => "<html><body>$html</body></html>"] as $type => $content) {
            $body .= "--$boundary\r\nContent-Type: $type; charset=utf-8\r\n"
                . "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                . quoted_printable_encode(str_replace("\n", "\r\n", $content)) . "\r\n";
        }
        return implode("\r\n", $headers) . "\r\n\r\n$body--$boundary--\r\n";
    }

    private function pipe(string $from, string $message): void
    {
        $process = proc_open(['/usr/sbin/sendmail', '-t', '-i', '-f', $from], [['pipe', 'r']], $pipes);
        if ($process === false) {
            throw new \RuntimeException('Could not start sendmail');
        }
        fwrite($pipes[0], str_replace("\r\n", "\n", $message));
        fclose($pipes[0]);
        $code = proc_close($process);
        if ($code !== 0) {
            throw new \RuntimeException("sendmail exited with code $code");
        }
    }

    private function deliver(string $from, string $to, string $message): void
    {
        $secure = $this->config->string('mail_smtpsecure') === 'ssl';
        $smtp = new Smtp(
            $this->config->string('mail_smtphost', '127.0.0.1'),
            (int)$this->config->get('mail_smtpport', 25),
            $secure,
            (array)$this->config->get('mail_smtpstreamoptions', []),
            (int)$this->config->get('mail_smtptimeout', 10),
        );
        $login = $this->config->bool('mail_smtpauth') ? $this->config->string('mail_smtpname') : '';
        $smtp->send($from, $to, $message, $login, $this->config->string('mail_smtppassword'));
    }
}
