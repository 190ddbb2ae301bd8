<?php

declare(strict_types=1);

namespace NextcloudDouble\Http;

/** What another server answered. */
final class Answer
{
    /** @param array<string, string> $headers With names in small letters. */
    public function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly string $body,
    ) {
    }

    /** @return array<mixed>|null */
    public function json(): ?array
    {
        $value = json_decode($this->body, true, 16);
        return is_array($value) ? $value : null;
    }
}
