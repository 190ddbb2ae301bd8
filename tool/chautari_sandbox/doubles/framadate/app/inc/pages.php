<?php
// Double of Framadate: addresses, pages and mails.

function server_name(): string
{
    $https = ($_SERVER['HTTPS'] ?? '') === 'on' || ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';
    $port = in_array($_SERVER['SERVER_PORT'] ?? '443', ['80', '443'], true) ? '' : ':' . $_SERVER['SERVER_PORT'];
    return ($https ? 'https' : 'http') . '://' . APP_URL . $port . '/';
}

function poll_url(string $id, bool $admin = false): string
{
    return server_name() . (URL_PROPRE ? $id . ($admin ? '/admin' : '') : ($admin ? 'adminstuds' : 'studs') . ".php?poll=$id");
}

function escape(?string $text): string
{
    return htmlspecialchars($text ?? '', ENT_QUOTES);
}

function page(string $title, string $body): never
{
    global $locale;
    $home = server_name();
    $title = escape($title);
    echo <<<HTML
        <!DOCTYPE html>
        <html lang="$locale">
        <head><meta charset="utf-8"><title>$title - Double of Framadate</title>
        <link rel="stylesheet" href="{$home}css/style.css"></head>
        <body><p class="double">Double of Framadate: good for trying out the toolkit, not for real work.</p>
        <h1><a href="$home">Framadate</a></h1><h2>$title</h2>
        $body
        </body></html>
        HTML;
    exit;
}

function form(string $fields, string $button): string
{
    return "<form method=\"POST\">$fields<button $button type=\"submit\">Next</button></form>";
}

function field(string $name, string $value = ''): string
{
    return '<label>' . escape($name) . ' <input name="' . escape($name) . '" value="' . escape($value) . '"></label><br>';
}

function log_line(string $tag, string $text): void
{
    error_log(date('Ymd His') . " [$tag] $text\n", 3, ROOT_DIR . LOG_FILE);
}

function send_mail(string $to, string $subject, string $text): void
{
    global $config;
    if ($config['use_smtp'] !== true || !filter_var($to, FILTER_VALIDATE_EMAIL)) {
        return;
    }
    $options = $config['smtp_options'];
    $line = stream_socket_client("tcp://{$options['host']}:{$options['port']}", $code, $reason, 10);
    if ($line === false) {
        throw new RuntimeException("SMTP connect() failed: $reason");
    }
    $encode = static fn (string $words): string => '=?UTF-8?B?' . base64_encode($words) . '?=';
    $message = 'From: ' . NOMAPPLICATION . ' <' . ADRESSEMAILADMIN . ">\r\nTo: $to\r\nSubject: "
        . (preg_match('/[^\x20-\x7e]/', $subject) ? $encode($subject) : $subject) . "\r\nMIME-Version: 1.0\r\n"
        . 'Date: ' . date('r') . "\r\nMessage-ID: <" . bin2hex(random_bytes(12)) . '@' . APP_URL . ">\r\n"
        . "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nAuto-Submitted: auto-generated\r\n\r\n"
        . preg_replace('/^\./m', '..', str_replace("\n", "\r\n", $text)) . "\r\n.";
    $talk = ['', 'EHLO ' . APP_URL, 'MAIL FROM:<' . ADRESSEMAILADMIN . '>', "RCPT TO:<$to>", 'DATA', $message, 'QUIT'];
    foreach ($talk as $said) {
        if ($said !== '') {
            fwrite($line, "$said\r\n");
        }
        do {
            $answer = (string) fgets($line);
        } while (isset($answer[3]) && $answer[3] === '-');
        if (!in_array($answer[0] ?? '', ['2', '3'], true)) {
            throw new RuntimeException("SMTP said: $answer");
        }
    }
    log_line('MAIL', "Mail sent to: $to");
}
