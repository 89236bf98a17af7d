// The browser that is used: Chromium of the system, or the one that CHROMIUM_PATH names.

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

export const browser = {
  browserName: 'chromium' as const,
  viewport: { width: 1280, height: 800 },
  launchOptions: {
    executablePath,
    args: [
      // Containers and CI run as root, where the sandbox does not start.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      // Nothing that could look like a request of the page.
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
};
