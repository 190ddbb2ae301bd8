<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Files;
use NextcloudDouble\Groups;
use NextcloudDouble\HintException;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\PasswordReset;
use NextcloudDouble\Throttle;
use NextcloudDouble\Users;

/** The pages for people: login, password reset, and one page for those who are logged in. */
final class Site
{
    private readonly Session $session;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->session = new Session($kernel, $request);
    }

    public function handle(): void
    {
        $path = $this->request->path;
        $call = "{$this->request->method} $path";
        match (true) {
            $call === 'POST /login' => $this->tryLogin(),
            $path === '/login' => $this->login(),
            $path === '/logout' => $this->logout(),
            $call === 'POST /lostpassword/email' => $this->sendReset(),
            str_starts_with($path, '/lostpassword/reset/form/') => $this->resetForm(substr($path, 25)),
            str_starts_with($call, 'POST /lostpassword/set/') => $this->setPassword(substr($path, 17)),
            $path === '/csrftoken' => Page::json(['token' => $this->session->token()]),
            $path === '/heartbeat' => Page::json((object)[]),
            $path === '/204' => http_response_code(204),
            str_starts_with($path, '/.well-known/') => $this->wellKnown(),
            in_array($path, ['/', '/apps/files', '/apps/dashboard'], true) => $this->home(),
            default => AppRoutes::answer($this->kernel, $this->request, $this->session) || $this->missing(),
        };
    }

    private function login(): void
    {
        if ($this->session->user() !== null) {
            Page::redirect($this->request->link('/apps/dashboard/'));
            return;
        }
        $token = $this->session->token();
        [$action, $lost] = [$this->request->link('/login'), $this->request->link('/lostpassword/email')];
        $message = Page::text($this->session->message());
        $hidden = '<input type="hidden" name="requesttoken" value="' . Page::text($token) . '">';
        Page::show('Login', <<<HTML
            <p class="message">$message</p>
            <form method="post" name="login" action="$action">
            <label>Account name or email <input name="user" autocomplete="username" required autofocus></label>
            <label>Password <input type="password" name="password" autocomplete="current-password" required></label>
            $hidden
            <button type="submit">Log in</button>
            </form>
            <form method="post" name="lostpassword" action="$lost">
            <label>Forgot password? Account name or email <input name="user" required></label>
            $hidden
            <button type="submit">Reset password</button>
            </form>
            HTML, 200, $token);
    }

    private function tryLogin(): void
    {
        $login = trim($this->request->field('user'));
        $origin = (string)preg_replace('~^https?://~', '', $this->request->header('Origin'));
        if ($origin === '' || !$this->request->trusts($origin)) {
            $this->refuseLogin($login, 'invalid origin');
            return;
        }
        if (!$this->tokenIsGood()) {
            $this->refuseLogin($login, 'CSRF check failed');
            return;
        }
        $throttle = $this->kernel->get(Throttle::class);
        $throttle->delay('login');
        $users = $this->kernel->get(Users::class);
        $uid = $users->verify($login, $this->request->field('password'));
        if ($uid === null) {
            $throttle->failed('login');
            $this->kernel->log->write(Log::WARN, "Login failed: $login (Remote IP: {$throttle->network()})");
            $this->refuseLogin($login, 'Wrong login or password.');
            return;
        }
        $throttle->succeeded('login');
        $this->session->enter($uid);
        $users->recordLogin($uid);
        $this->kernel->get(Files::class)->prepare($uid);
        Page::redirect($this->request->link('/apps/dashboard/'));
    }

    private function refuseLogin(string $login, string $message): void
    {
        $this->session->leave();
        $this->session->message($message);
        Page::redirect($this->request->link('/login?' . http_build_query(['user' => $login, 'direct' => 1])));
    }

    private function logout(): void
    {
        if ($this->tokenIsGood()) {
            $this->session->leave();
        }
        Page::redirect($this->request->link('/login'));
    }

    private function home(): void
    {
        $uid = $this->session->user();
        if ($uid === null) {
            $where = $this->request->path === '/' ? '' : '?redirect_url=' . rawurlencode($this->request->path);
            Page::redirect($this->request->link("/login$where"), 302);
            return;
        }
        $files = $this->kernel->get(Files::class);
        $files->prepare($uid);
        $folder = $files->entry($uid, '');
        $items = '';
        foreach ($files->children($uid, (int)$folder['fileid']) as $entry) {
            $items .= '<li>' . Page::text("{$entry['name']} ({$entry['size']} bytes)") . '</li>';
        }
        $groups = Page::text(implode(', ', $this->kernel->get(Groups::class)->of($uid)));
        Page::show('Files', "<ul>$items</ul><p>Groups: $groups</p>", 200, $this->session->token(), $uid);
    }

    private function sendReset(): void
    {
        if (!$this->tokenIsGood()) {
            Page::json(['message' => 'CSRF check failed'], 412);
            return;
        }
        $throttle = $this->kernel->get(Throttle::class);
        if (!$throttle->allowed('passwordResetEmail', $throttle->network(), 10, 300)) {
            Page::json((object)[], 429);
            return;
        }
        if ($this->kernel->config->string('lost_password_link') !== '') {
            Page::json(['status' => 'error', 'msg' => 'Password reset is disabled']);
            return;
        }
        (new PasswordReset($this->kernel))->request(trim($this->request->field('user')), $this->request->baseUrl());
        Page::json(['status' => 'success']);
    }

    private function resetForm(string $rest): void
    {
        [$token, $uid] = explode('/', $rest, 2) + [1 => ''];
        $refusal = (new PasswordReset($this->kernel))->refusal($token, $uid);
        if ($refusal !== null) {
            Page::show('Error', '<p>' . Page::text($refusal) . '</p>');
            return;
        }
        $action = Page::text($this->request->link("/lostpassword/set/$token/" . rawurlencode($uid)));
        $formToken = $this->session->token();
        Page::show('Reset password', "<form method=\"post\" action=\"$action\">"
            . '<label>New password <input type="password" name="password" required></label>'
            . '<input type="hidden" name="requesttoken" value="' . Page::text($formToken) . '">'
            . '<button type="submit">Reset password</button></form>', 200, $formToken);
    }

    private function setPassword(string $rest): void
    {
        [$token, $uid] = explode('/', trim($rest, '/'), 2) + [1 => ''];
        $reset = new PasswordReset($this->kernel);
        $refusal = $this->tokenIsGood() ? $reset->refusal($token, $uid) : 'CSRF check failed';
        try {
            if ($refusal === null) {
                $reset->complete($uid, $this->request->field('password'));
            }
        } catch (HintException $error) {
            $refusal = $error->getMessage();
        }
        Page::json($refusal === null ? ['user' => $uid, 'status' => 'success'] : ['status' => 'error', 'msg' => $refusal]);
    }

    private function tokenIsGood(): bool
    {
        return $this->session->accepts($this->request->header('requesttoken') ?: $this->request->field('requesttoken'));
    }

    private function wellKnown(): void
    {
        header('X-NEXTCLOUD-WELL-KNOWN: 1');
        Page::json((object)['message' => ''], 404);
    }

    private function missing(): bool
    {
        Page::show('Page not found', '<p>The page could not be found on the server.</p>', 404);
        return true;
    }
}
