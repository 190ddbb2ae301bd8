<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** What version.php says about this release. */
final class Release
{
    public const NOTICE = 'double of Nextcloud, for the sandbox only';

    public readonly string $version;
    public readonly string $string;
    public readonly string $edition;
    public readonly string $channel;
    public readonly int $major;

    public function __construct(string $root)
    {
        require $root . '/version.php';
        $this->version = implode('.', $OC_Version);
        $this->string = $OC_VersionString;
        $this->edition = $OC_Edition;
        $this->channel = $OC_Channel;
        $this->major = (int)$OC_Version[0];
        $this->from = array_keys($OC_VersionCanBeUpgradedFrom['nextcloud']);
    }

    /** @var list<string> */
    private readonly array $from;

    public function upgradableFrom(string $installed): bool
    {
        $series = implode('.', array_slice(explode('.', $installed), 0, 2));
        return in_array($series, array_map(strval(...), $this->from), true);
    }
}
