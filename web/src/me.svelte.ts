// What this browser may do, once the server has said so.

import { getMe, signOut as callSignOut, type Me } from './api/me';
import { asProblem } from './api/problem';

const RETRY_MS = 5_000;

class MyRights {
  me = $state<Me | null>(null);
  /** Until the server has answered, nothing is offered that it may refuse. */
  mayWrite = $derived(this.me?.may_write ?? false);

  async load(): Promise<void> {
    try {
      this.me = await getMe();
    } catch (error) {
      if (asProblem(error).passing) setTimeout(() => void this.load(), RETRY_MS);
    }
  }

  async signOut(): Promise<void> {
    await callSignOut();
    await this.load();
  }
}

export const rights = new MyRights();
