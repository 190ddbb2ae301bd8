<?php

declare(strict_types=1);

namespace NextcloudDouble\Bbb;

use NextcloudDouble\Kernel;
use NextcloudDouble\Users;
use NextcloudDouble\Web\Page;
use NextcloudDouble\Web\Request;
use NextcloudDouble\Web\Session;

/** The app's routes. */
final class Front
{
    private const HOOKS = ['ended' => 'GET', 'recording' => 'POST'];

    private readonly Rooms $rooms;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->rooms = new Rooms($kernel);
    }

    public function install(): void
    {
        $this->rooms->install();
    }

    public function handle(Request $request, Session $session, string $path): void
    {
        $parts = explode('/', trim($path, '/'));
        if ($parts[0] === 'b') {
            $this->join($request, $this->caller($request, $session), $parts[1] ?? '', $parts[2] ?? '');
            return;
        }
        if ($parts[0] === 'hook') {
            $this->hook($request->method, $parts[1] ?? '', $parts[2] ?? '', $parts[3] ?? '');
            return;
        }
        $uid = $this->caller($request, $session);
        if ($uid === null) {
            Page::json(['message' => 'Current user is not logged in'], 401);
        } elseif ($request->header('OCS-APIRequest') === '' && !$session->accepts($request->header('requesttoken'))) {
            Page::json(['message' => 'CSRF check failed'], 412);
        } else {
            $this->member($request, $uid, $parts);
        }
    }

    /** @param list<string> $parts */
    private function member(Request $request, string $uid, array $parts): void
    {
        $given = json_decode((string)file_get_contents('php://input'), true) ?: $_POST;
        $call = "$request->method $parts[0]" . (isset($parts[1]) ? '/' : '');
        match (true) {
            $call === 'GET rooms' => Page::json(array_map(Rooms::shown(...), $this->rooms->of($uid))),
            $call === 'POST rooms' => $this->create($given, $uid),
            $call === 'PUT rooms/' => $this->change((int)$parts[1], $uid, $given),
            $call === 'DELETE rooms/' => $this->change((int)$parts[1], $uid, null),
            $call === 'GET restrictions/' && $parts[1] === 'user' => Page::json(['maxRooms' => -1, 'roomTypes' => '[]', 'maxParticipants' => -1]),
            $call === 'GET server/' && ($parts[2] ?? '') === 'isRunning' => $this->isRunning($parts[1], $uid),
            default => Page::json([], 404),
        };
    }

    /** @param array<string, mixed> $given */
    private function create(array $given, string $uid): void
    {
        $needed = ['name', 'welcome', 'maxParticipants', 'record', 'access'];
        if (array_diff($needed, array_keys($given)) !== []) {
            Page::json(['message' => 'Internal Server Error'], 500);
        } elseif (!in_array($given['access'], Rooms::ACCESS, true)) {
            Page::json(['message' => 'Access type not allowed.'], 400);
        } else {
            Page::json(Rooms::shown($this->rooms->create($given, $uid)));
        }
    }

    /** @param array<string, mixed>|null $given Null deletes the room. */
    private function change(int $id, string $uid, ?array $given): void
    {
        $room = $this->rooms->find('id', $id);
        if ($room === null || $room['user_id'] !== $uid) {
            Page::json([], $room === null ? 500 : 403);
            return;
        }
        if ($given === null) {
            $this->rooms->delete($id);
        } else {
            $room = $this->rooms->update($id, $given);
        }
        Page::json(Rooms::shown($room));
    }

    private function isRunning(string $roomUid, string $uid): void
    {
        $room = $this->rooms->find('uid', $roomUid);
        if ($room === null || $room['user_id'] !== $uid) {
            Page::json([], $room === null ? 404 : 403);
            return;
        }
        Page::json((new Server($this->kernel))->isRunning($room));
    }

    private function join(Request $request, ?string $uid, string $roomUid, string $moderatorToken): void
    {
        $room = $this->rooms->find('uid', $roomUid);
        if ($room === null) {
            Page::show('Room not found', '<p>The room could not be found.</p>', 404);
            return;
        }
        $name = $uid === null ? trim($request->field('displayname')) : $this->kernel->get(Users::class)->displayName($uid);
        if ($uid === null && str_starts_with($room['access'], 'internal')) {
            Page::redirect($request->link('/login?redirect_url=' . rawurlencode($request->link("/apps/bbb/b/$roomUid"))));
            return;
        }
        if ($uid === null && (strlen($name) < 3 || $request->field('password') !== (string)$room['password'])) {
            Page::show($room['name'], '<form><input name="displayname" required minlength="3"><button>Join</button></form>');
            return;
        }
        $server = new Server($this->kernel);
        $created = $server->create($room, $request->baseUrl(), $this->mac($roomUid));
        $moderator = $uid === $room['user_id'] || $room['everyone_is_moderator']
            || ($moderatorToken !== '' && $moderatorToken === $room['moderator_token']);
        $link = $server->joinLink($room, $created, $name, (bool)$moderator, $uid);
        $this->rooms->running((int)$room['id'], true);
        Page::show($room['name'], "<p>You will be forwarded to the room.</p><p><a href=\"$link\">Let's go!</a></p>");
    }

    private function hook(string $method, string $kind, string $roomUid, string $mac): void
    {
        $room = $this->rooms->find('uid', $roomUid);
        if ((self::HOOKS[$kind] ?? '') !== $method || $room === null || !hash_equals($this->mac($roomUid), $mac)) {
            Page::show('Not found', '', 404);
            return;
        }
        if ($kind === 'ended') {
            $this->rooms->running((int)$room['id'], false);
        }
        Page::json(null);
    }

    private function mac(string $roomUid): string
    {
        $sum = hash_hmac('sha512', $roomUid, $this->kernel->config->string('secret'), true);
        return rtrim(strtr(base64_encode(sha1($sum, true)), '+/', '-_'), '=');
    }

    private function caller(Request $request, Session $session): ?string
    {
        $credentials = $request->credentials();
        return $session->user()
            ?? ($credentials === null ? null : $this->kernel->get(Users::class)->verify(...$credentials));
    }
}
