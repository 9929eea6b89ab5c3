// Screenshots of every page for visual review: `cargo xtask shots` writes them to target/shots.
import { defineConfig } from '@playwright/test';

import config from './playwright.config.js';

export default defineConfig({ ...config, testDir: 'shots', timeout: 600_000, projects: [{ name: 'shots' }] });
