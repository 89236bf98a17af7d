// What this browser may do here.

import { callEmpty, callJson } from './client';

export interface Me {
  may_write: boolean;
  /** The server has an owner's token, so signing in is possible. */
  sign_in: boolean;
  signed_in: boolean;
  max_video_bytes: number;
}

export function getMe(): Promise<Me> {
  return callJson('/api/me');
}

export function signIn(token: string): Promise<void> {
  return callEmpty('/api/sign-in', { method: 'POST', json: { token } });
}

export function signOut(): Promise<void> {
  return callEmpty('/api/sign-out', { method: 'POST' });
}
