/** All vehicles that may be seen, kept current by the stream. Whoever draws them is told at most four times a second. */

import { batch, signal } from "@preact/signals";
import { inWords } from "../api/problem";
import { fleetLatest, vehicles } from "../api/routes";
import type { FleetLatest, StateChange, VehicleRow, VehicleState } from "../api/shapes";
import type { Receiver } from "../stream/connection";
import type { ServerEvent } from "../stream/parser";
import { change, learn, place, register, unheardOf, type Vehicle } from "./vehicle";

const TELL_EVERY_MS = 250;

type Listener = (event: StateChange) => void;

export class Fleet implements Receiver {
  readonly vehicles = new Map<string, Vehicle>();
  /** Rises whenever something changed since it was last told. */
  readonly revision = signal(0);
  /** How many there are; it rises only when one is new. */
  readonly size = signal(0);
  readonly isLoaded = signal(false);
  readonly trouble = signal<string | null>(null);

  private toldAt = -TELL_EVERY_MS;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private readonly listeners = new Set<Listener>();

  async opened(resumed: boolean): Promise<void> {
    if (!resumed) await this.load();
  }

  received(event: ServerEvent): void {
    if (event.name === "reset") void this.load().catch(() => undefined);
    if (event.name !== "state") return;
    const state = JSON.parse(event.data) as StateChange;
    change(this.vehicle(state.vehicle_id), state, performance.now());
    for (const listener of this.listeners) listener(state);
    this.tell();
  }

  /** Every state change from now on, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What the answer of a vehicle's state says. */
  learn(state: VehicleState): void {
    learn(this.vehicle(state.vehicle_id), state.signals);
    this.tell();
  }

  private async load(): Promise<void> {
    try {
      this.take(await fleetLatest());
      void this.loadRegistry();
      batch(() => {
        this.isLoaded.value = true;
        this.trouble.value = null;
      });
      this.tell();
    } catch (error) {
      this.trouble.value = inWords(error);
      throw error;
    }
  }

  /** Vehicles without a position, and the models: the map does not wait for them. */
  private async loadRegistry(): Promise<void> {
    try {
      let cursor: string | null = null;
      do {
        const page: { vehicles: VehicleRow[]; next_cursor: string | null } = await vehicles(cursor);
        for (const row of page.vehicles) register(this.vehicle(row.vehicle_id), row);
        cursor = page.next_cursor;
        this.tell();
      } while (cursor !== null);
    } catch (error) {
      this.trouble.value = inWords(error);
    }
  }

  private take(latest: FleetLatest): void {
    for (const { geometry, properties } of latest.features) {
      const [longitude, latitude] = geometry?.coordinates ?? [];
      const isKnown = longitude !== undefined && latitude !== undefined;
      place(this.vehicle(properties.vehicle_id), properties, isKnown ? { longitude, latitude } : null);
    }
  }

  private vehicle(id: string): Vehicle {
    let vehicle = this.vehicles.get(id);
    if (vehicle === undefined) this.vehicles.set(id, (vehicle = unheardOf(id)));
    return vehicle;
  }

  private tell(): void {
    const wait = Math.max(0, this.toldAt + TELL_EVERY_MS - performance.now());
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.toldAt = performance.now();
      batch(() => {
        this.revision.value += 1;
        this.size.value = this.vehicles.size;
      });
    }, wait);
  }
}

export const fleet = new Fleet();
