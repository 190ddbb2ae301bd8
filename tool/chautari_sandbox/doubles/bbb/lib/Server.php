<?php

declare(strict_types=1);

namespace NextcloudDouble\Bbb;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Kernel;

/** The meeting server, asked as upstream's library asks it: signed with SHA-1 and the shared secret. */
final class Server
{
    private readonly string $url;
    private readonly string $secret;

    public function __construct(Kernel $kernel)
    {
        $config = $kernel->get(AppConfig::class);
        $this->url = rtrim((string)$config->get('bbb', 'api.url'), '/');
        $this->secret = (string)$config->get('bbb', 'api.secret');
    }

    /**
     * @param array<string, mixed> $room
     * @return string When the meeting was created, as the server writes it.
     */
    public function create(array $room, string $nextcloud, string $mac): string
    {
        $answer = $this->ask('create', [
            'name' => $room['name'],
            'meetingID' => $room['uid'],
            'attendeePW' => $room['attendee_password'],
            'moderatorPW' => $room['moderator_password'],
            'welcome' => $room['welcome'],
            'maxParticipants' => $room['max_participants'] > 0 ? $room['max_participants'] : '',
            'record' => $room['record'] ? 'true' : 'false',
            'allowStartStopRecording' => $room['record'] ? 'true' : 'false',
            'muteOnStart' => $room['join_muted'] ? 'true' : 'false',
            'logoutURL' => $nextcloud,
            'guestPolicy' => str_starts_with($room['access'], 'waiting_room') ? 'ASK_MODERATOR' : '',
            'moderatorOnlyMessage' => "To invite someone to the meeting, send them this link: $nextcloud/apps/bbb/b/$room[uid]",
            'meta_bbb-origin' => 'Nextcloud (double)',
            'meta_bbb-origin-server-name' => (string)parse_url($nextcloud, PHP_URL_HOST),
            'meta_endCallbackUrl' => "$nextcloud/apps/bbb/hook/ended/$room[uid]/$mac",
            'meta_bbb-recording-ready-url' => "$nextcloud/apps/bbb/hook/recording/$room[uid]/$mac",
        ]);
        if ((string)$answer->returncode !== 'SUCCESS') {
            throw new \RuntimeException("Can not create meeting: $answer->message");
        }
        return (string)$answer->createTime;
    }

    /** @param array<string, mixed> $room */
    public function joinLink(array $room, string $created, string $name, bool $moderator, ?string $uid): string
    {
        return $this->link('join', [
            'fullName' => $name,
            'meetingID' => $room['uid'],
            'password' => $room[$moderator ? 'moderator_password' : 'attendee_password'],
            'createTime' => $created,
            'userID' => $uid,
            'redirect' => 'true',
            'guest' => ($uid === null || ($room['access'] === 'waiting_room_all' && !$moderator)) ? 'true' : 'false',
            'userdata-bbb_listen_only_mode' => $room['listen_only'] ? 'true' : 'false',
            'userdata-bbb_skip_check_audio_on_first_join' => $room['media_check'] ? 'false' : 'true',
        ]);
    }

    /** @param array<string, mixed> $room */
    public function isRunning(array $room): bool
    {
        $answer = $this->ask('isMeetingRunning', ['meetingID' => $room['uid']]);
        return (string)$answer->returncode === 'SUCCESS' && (string)$answer->running === 'true';
    }

    /** @param array<string, mixed> $query */
    private function link(string $call, array $query): string
    {
        $text = http_build_query(array_filter($query, static fn (mixed $value): bool => (string)$value !== ''));
        return "$this->url/api/$call?$text&checksum=" . sha1("$call$text$this->secret");
    }

    /** @param array<string, mixed> $query */
    private function ask(string $call, array $query): \SimpleXMLElement
    {
        $request = curl_init($this->link($call, $query));
        curl_setopt_array($request, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 10, CURLOPT_FAILONERROR => true]);
        $text = curl_exec($request);
        $xml = is_string($text) ? simplexml_load_string($text) : false;
        if ($xml === false) {
            $reason = curl_error($request) ?: 'no XML came back';
            throw new \RuntimeException("Can not process $call request at $this->url: $reason");
        }
        return $xml;
    }
}
