// describe, it and expect as Jest has them, for a test that was written for Jest and stays as it is.
import { describe, it } from 'node:test';
import { expect } from 'expect';

Object.assign(globalThis, { describe, it, expect });
