<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Random words, password hashes and sealed values. */
final class Secrets
{
    private const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
    /** What upstream takes where nothing else is said. */
    public const WIDE_ALPHABET = self::ALPHABET . '+/';

    public static function word(int $length, string $alphabet = self::ALPHABET): string
    {
        $word = '';
        for ($i = 0; $i < $length; $i++) {
            $word .= $alphabet[random_int(0, strlen($alphabet) - 1)];
        }
        return $word;
    }

    /** Upstream's form: the number of the algorithm, a bar, PHP's own hash. */
    public static function hash(#[\SensitiveParameter] string $password): string
    {
        if (defined('PASSWORD_ARGON2ID')) {
            return '3|' . password_hash($password, PASSWORD_ARGON2ID);
        }
        return '1|' . password_hash($password, PASSWORD_BCRYPT);
    }

    public static function verify(#[\SensitiveParameter] string $password, string $stored): bool
    {
        [$number, $hash] = explode('|', $stored, 2) + [1 => ''];
        return $number !== '' && password_verify($password, $hash);
    }

    public static function seal(string $value, #[\SensitiveParameter] string $key): string
    {
        $nonce = random_bytes(12);
        $text = openssl_encrypt($value, 'aes-256-gcm', hash('sha256', $key, true), OPENSSL_RAW_DATA, $nonce, $tag);
        return base64_encode($nonce . $tag . $text);
    }

    public static function open(string $sealed, #[\SensitiveParameter] string $key): ?string
    {
        $raw = (string)base64_decode($sealed, true);
        $value = openssl_decrypt(
            substr($raw, 28),
            'aes-256-gcm',
            hash('sha256', $key, true),
            OPENSSL_RAW_DATA,
            substr($raw, 0, 12),
            substr($raw, 12, 16),
        );
        return $value === false ? null : $value;
    }
}
