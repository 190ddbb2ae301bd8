<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** What the machine must offer before anything runs. */
final class Environment
{
    private const CLASSES = [
        'ZipArchive' => 'zip', 'DOMDocument' => 'dom', 'XMLWriter' => 'XMLWriter', 'XMLReader' => 'XMLReader', 'PDO' => 'PDO',
    ];
    private const FUNCTIONS = [
        'xml_parser_create' => 'libxml', 'mb_strcut' => 'mbstring', 'ctype_digit' => 'ctype', 'json_encode' => 'JSON',
        'gd_info' => 'GD', 'gzencode' => 'zlib', 'simplexml_load_string' => 'SimpleXML', 'curl_init' => 'cURL',
        'openssl_verify' => 'OpenSSL', 'finfo_open' => 'fileinfo', 'session_start' => 'session',
    ];

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return list<array{error: string, hint: string}> */
    public function errors(): array
    {
        $errors = [];
        foreach ($this->missingModules() as $module) {
            $errors[] = [
                'error' => "PHP module $module not installed.",
                'hint' => 'Please ask your server administrator to install the module.',
            ];
        }
        if (strtolower((string)ini_get('default_charset')) !== 'utf-8') {
            $errors[] = [
                'error' => 'PHP setting "default_charset" is not set to "\'UTF-8\'".',
                'hint' => 'Adjusting this setting in php.ini will make Nextcloud run again',
            ];
        }
        return $this->kernel->installed() ? [...$errors, ...$this->dataDirectoryErrors()] : $errors;
    }

    /** @return list<string> */
    private function missingModules(): array
    {
        $classes = array_filter(self::CLASSES, static fn (string $name): bool => !class_exists($name), ARRAY_FILTER_USE_KEY);
        $functions = array_filter(
            self::FUNCTIONS,
            static fn (string $name): bool => !function_exists($name),
            ARRAY_FILTER_USE_KEY,
        );
        return array_values($classes + $functions);
    }

    /** @return list<array{error: string, hint: string}> */
    private function dataDirectoryErrors(): array
    {
        $data = $this->kernel->dataDirectory();
        if (!is_dir($data) || !is_writable($data)) {
            return [[
                'error' => 'Your data directory is not writable.',
                'hint' => 'Permissions can usually be fixed by giving the web server write access to the root directory.',
            ]];
        }
        if (!is_file("$data/.ncdata")) {
            return [[
                'error' => 'Your data directory is invalid.',
                'hint' => 'Ensure there is a file called ".ncdata" in the root of the data directory. '
                    . 'It should have the content: "# Nextcloud data directory"',
            ]];
        }
        $open = (fileperms($data) & 0007) !== 0 && !@chmod($data, 0770);
        return $open && $this->kernel->config->bool('check_data_directory_permissions', true) ? [[
            'error' => 'Your data directory is readable by other people.',
            'hint' => 'Please change the permissions to 0770 so that the directory cannot be listed by other people.',
        ]] : [];
    }
}
