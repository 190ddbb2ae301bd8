<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Kernel;

/** A federated ID: an account and the server it lives on. */
final class CloudId
{
    private function __construct(
        public readonly string $user,
        /** The address of the server, with its protocol and without a slash at the end. */
        public readonly string $remote,
    ) {
    }

    /** Reads `user@server`, `user@https://server` and `user@server/index.php/…`; null when it is none of them. */
    public static function parse(string $text): ?self
    {
        $text = rtrim(explode('/index.php', str_replace('\\', '/', $text), 2)[0], '/');
        $end = strcspn($text, '/:');
        // The last @ before the address: `user@example.org@https://server` names an account with an @.
        $at = strrpos(substr($text, 0, $end), '@');
        if ($at === false || strlen($text) > 255) {
            return null;
        }
        [$user, $remote] = [substr($text, 0, $at), substr($text, $at + 1)];
        if (!preg_match('/^[a-zA-Z0-9_.@\-\'=]([a-zA-Z0-9 _.@\-\'=]*[a-zA-Z0-9_.@\-\'=])?$/', $user) || $remote === '' || trim($user, '.') === '') {
            return null;
        }
        return new self($user, str_contains($remote, '://') ? $remote : "https://$remote");
    }

    public static function local(Kernel $kernel, string $uid): self
    {
        return new self($uid, OwnAddress::url($kernel));
    }

    /** The ID as people see it: https goes without saying. */
    public function __toString(): string
    {
        return $this->user . '@' . preg_replace('~^https://~', '', $this->remote);
    }
}
