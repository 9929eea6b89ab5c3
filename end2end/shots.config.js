// Pictures of every page for people to look at: `cargo xtask shots` puts them into target/shots.
import { defineConfig } from '@playwright/test';

import config from './playwright.config.js';

export default defineConfig({ ...config, testDir: 'shots', timeout: 600_000, projects: [{ name: 'shots' }] });
