<?php

declare(strict_types=1);

namespace NextcloudDouble\Checks;

/** What one setup check found. */
final class Result implements \JsonSerializable
{
    private function __construct(
        public readonly string $severity,
        public readonly ?string $description,
        public readonly string $name = '',
    ) {
    }

    public static function success(?string $description = null): self
    {
        return new self('success', $description);
    }

    public static function info(string $description): self
    {
        return new self('info', $description);
    }

    public static function warning(string $description): self
    {
        return new self('warning', $description);
    }

    public static function error(string $description): self
    {
        return new self('error', $description);
    }

    public function named(string $name): self
    {
        return new self($this->severity, $this->description, $name);
    }

    /** @return array<string, mixed> */
    public function jsonSerialize(): array
    {
        return [
            'name' => $this->name,
            'severity' => $this->severity,
            'description' => $this->description,
            'descriptionParameters' => null,
            'linkToDoc' => null,
        ];
    }
}
