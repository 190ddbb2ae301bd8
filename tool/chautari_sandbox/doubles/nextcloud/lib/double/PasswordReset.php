<?php

declare(strict_types=1);

namespace NextcloudDouble;

use NextcloudDouble\Mail\Mailer;

/** The link by which an account gets a new password. */
final class PasswordReset
{
    private const LIFETIME = 604800;
    private const TEXTS = [
        'en' => [
            'subject' => 'Nextcloud password reset',
            'body' => 'Follow this link to choose a new password. If you did not ask for it, ignore this message.',
        ],
        'es' => [
            'subject' => 'Nextcloud restablecer contraseña',
            'body' => 'Siga este enlace para elegir una contraseña nueva. Si no la pidió, ignore este mensaje.',
        ],
    ];

    private readonly Preferences $preferences;
    private readonly Users $users;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->preferences = $kernel->get(Preferences::class);
        $this->users = $kernel->get(Users::class);
    }

    /** Sends the mail; says nothing about whether the account exists. */
    public function request(string $login, string $baseUrl): void
    {
        $uid = $this->users->find($login) ?? $this->users->findByMail($login);
        $address = $uid === null ? '' : $this->users->email($uid);
        if ($uid === null || $address === '' || !$this->users->enabled($uid)) {
            $this->kernel->log->write(Log::WARN, "Could not send password reset email: no address for $login");
            return;
        }
        if (!$this->kernel->get(Throttle::class)->allowed('lostpasswordemail', $uid, 5, 1800)) {
            $this->kernel->log->write(
                Log::WARN,
                'Could not send reset e-mail, 5 of them were already sent in the last 30 minutes',
            );
            return;
        }
        $token = Secrets::word(21);
        $this->preferences->set($uid, 'core', 'lostpassword', Secrets::seal(time() . ":$token", $this->key($uid)));
        $this->kernel->get(Jobs::class)->addResetCleanup($uid);
        $text = self::TEXTS[$this->language()] ?? self::TEXTS['en'];
        $link = "$baseUrl/lostpassword/reset/form/$token/" . rawurlencode($uid);
        try {
            $this->kernel->get(Mailer::class)->send(
                $address,
                $this->users->displayName($uid),
                $text['subject'],
                "{$text['body']}\n\n$link\n\n-- \nNextcloud (" . Release::NOTICE . ')',
            );
        } catch (\RuntimeException $error) {
            $this->kernel->log->write(Log::ERROR, $error->getMessage());
        }
    }

    /** Null when the token is good, else the reason. */
    public function refusal(string $token, string $login): ?string
    {
        $uid = $this->users->find($login);
        $sealed = $uid === null ? null : $this->preferences->get($uid, 'core', 'lostpassword');
        $value = $sealed === null ? null : Secrets::open($sealed, $this->key((string)$uid));
        [$time, $expected] = explode(':', $value ?? '0:', 2);
        if ($value === null || !hash_equals($expected, $token)) {
            return 'Could not reset password because the token is invalid';
        }
        $last = (int)$this->preferences->get((string)$uid, 'login', 'lastLogin');
        return (int)$time < time() - self::LIFETIME || $last > (int)$time
            ? 'Could not reset password because the token is expired'
            : null;
    }

    public function complete(string $login, #[\SensitiveParameter] string $password): void
    {
        $uid = (string)$this->users->find($login);
        $this->users->setPassword($uid, $password);
        $this->preferences->delete($uid, 'core', 'lostpassword');
    }

    /** As upstream: the language that the request prefers, else the server's own. */
    private function language(): string
    {
        $preferred = preg_split('/[,;]/', strtolower($_SERVER['HTTP_ACCEPT_LANGUAGE'] ?? ''))[0];
        $known = self::TEXTS[substr(trim($preferred), 0, 2)] ?? null;
        return substr($known === null ? $this->kernel->config->string('default_language', 'en') : trim($preferred), 0, 2);
    }

    private function key(string $uid): string
    {
        return $this->users->email($uid) . $this->kernel->config->string('secret');
    }
}
