/**
 * The record classes the simulated xapi keeps: every field with its wire type. Data only, no behaviour.
 *
 * Notation: s string, i int, f float, b bool, d datetime, e enum, @C reference to class C, [t] set, {k,v} map;
 * a trailing * marks a field with generic set_/add_to_/remove_from_ calls. Field names and order are those of
 * xapi 24.13; schema.test.ts holds every entry against the published data model.
 */
export const FIELD_TABLE = {
  session: `
    uuid:s this_host:@host this_user:@user last_active:d pool:b other_config:{s,s}* is_local_superuser:b
    subject:@subject validation_time:d auth_user_sid:s auth_user_name:s rbac_permissions:[s] tasks:[@task]
    parent:@session originator:s client_certificate:b`,
  task: `
    uuid:s name_label:s name_description:s allowed_operations:[e] current_operations:{s,e} created:d finished:d
    status:e resident_on:@host progress:f type:s result:s error_info:[s] other_config:{s,s}* subtask_of:@task
    subtasks:[@task] backtrace:s`,
  pool: `
    uuid:s name_label:s* name_description:s* master:@host default_SR:@SR* suspend_image_SR:@SR*
    crash_dump_SR:@SR* other_config:{s,s}* ha_enabled:b ha_configuration:{s,s} ha_statefiles:[s]
    ha_host_failures_to_tolerate:i ha_plan_exists_for:i ha_allow_overcommit:b* ha_overcommitted:b
    blobs:{s,@blob} tags:[s]* gui_config:{s,s}* health_check_config:{s,s}* wlb_url:s wlb_username:s
    wlb_enabled:b* wlb_verify_cert:b* redo_log_enabled:b redo_log_vdi:@VDI vswitch_controller:s
    restrictions:{s,s} metadata_VDIs:[@VDI] ha_cluster_stack:s allowed_operations:[e] current_operations:{s,e}
    guest_agent_config:{s,s} cpu_info:{s,s} policy_no_vendor_device:b* live_patching_disabled:b*
    igmp_snooping_enabled:b uefi_certificates:s custom_uefi_certificates:s is_psr_pending:b*
    tls_verification_enabled:b repositories:[@Repository] client_certificate_auth_enabled:b
    client_certificate_auth_name:s repository_proxy_url:s repository_proxy_username:s
    repository_proxy_password:@secret migration_compression:b* coordinator_bias:b* local_auth_max_threads:i
    ext_auth_max_threads:i telemetry_uuid:@secret telemetry_frequency:e telemetry_next_collection:d
    last_update_sync:d update_sync_frequency:e update_sync_day:i update_sync_enabled:b`,
  pool_update: `
    uuid:s name_label:s name_description:s version:s installation_size:i key:s after_apply_guidance:[e] vdi:@VDI
    hosts:[@host] other_config:{s,s}* enforce_homogeneity:b`,
  VM: `
    uuid:s allowed_operations:[e] current_operations:{s,e} name_label:s* name_description:s* power_state:e
    user_version:i* is_a_template:b* is_default_template:b suspend_VDI:@VDI resident_on:@host
    scheduled_to_be_resident_on:@host affinity:@host* memory_overhead:i memory_target:i memory_static_max:i
    memory_dynamic_max:i memory_dynamic_min:i memory_static_min:i VCPUs_params:{s,s}* VCPUs_max:i
    VCPUs_at_startup:i actions_after_softreboot:e* actions_after_shutdown:e* actions_after_reboot:e*
    actions_after_crash:e consoles:[@console] VIFs:[@VIF] VBDs:[@VBD] VUSBs:[@VUSB] crash_dumps:[@crashdump]
    VTPMs:[@VTPM] PV_bootloader:s* PV_kernel:s* PV_ramdisk:s* PV_args:s* PV_bootloader_args:s* PV_legacy_args:s*
    HVM_boot_policy:s HVM_boot_params:{s,s}* HVM_shadow_multiplier:f platform:{s,s}* PCI_bus:s*
    other_config:{s,s}* domid:i domarch:s last_boot_CPU_flags:{s,s} is_control_domain:b metrics:@VM_metrics
    guest_metrics:@VM_guest_metrics last_booted_record:s recommendations:s* xenstore_data:{s,s}* ha_always_run:b
    ha_restart_priority:s is_a_snapshot:b snapshot_of:@VM snapshots:[@VM] snapshot_time:d
    transportable_snapshot_id:s blobs:{s,@blob} tags:[s]* blocked_operations:{e,s}* snapshot_info:{s,s}
    snapshot_metadata:s parent:@VM children:[@VM] bios_strings:{s,s} protection_policy:@VMPP
    is_snapshot_from_vmpp:b snapshot_schedule:@VMSS is_vmss_snapshot:b appliance:@VM_appliance start_delay:i
    shutdown_delay:i order:i VGPUs:[@VGPU] attached_PCIs:[@PCI] suspend_SR:@SR* version:i generation_id:s
    hardware_platform_version:i* has_vendor_device:b requires_reboot:b reference_label:s domain_type:e
    NVRAM:{s,s} pending_guidances:[e] pending_guidances_recommended:[e] pending_guidances_full:[e]`,
  VM_metrics: `
    uuid:s memory_actual:i VCPUs_number:i VCPUs_utilisation:{i,f} VCPUs_CPU:{i,i} VCPUs_params:{s,s}
    VCPUs_flags:{i,[s]} state:[s] start_time:d install_time:d last_updated:d other_config:{s,s}* hvm:b
    nested_virt:b nomigrate:b current_domain_type:e`,
  VM_guest_metrics: `
    uuid:s os_version:{s,s} PV_drivers_version:{s,s} PV_drivers_up_to_date:b networks:{s,s} other:{s,s}
    last_updated:d other_config:{s,s}* live:b can_use_hotplug_vbd:e can_use_hotplug_vif:e PV_drivers_detected:b`,
  VM_appliance: `
    uuid:s name_label:s* name_description:s* allowed_operations:[e] current_operations:{s,e} VMs:[@VM]`,
  host: `
    uuid:s name_label:s* name_description:s* memory_overhead:i allowed_operations:[e] current_operations:{s,e}
    API_version_major:i API_version_minor:i API_version_vendor:s API_version_vendor_implementation:{s,s}
    enabled:b software_version:{s,s} other_config:{s,s}* capabilities:[s] cpu_configuration:{s,s} sched_policy:s
    supported_bootloaders:[s] resident_VMs:[@VM] logging:{s,s}* PIFs:[@PIF] suspend_image_sr:@SR*
    crash_dump_sr:@SR* crashdumps:[@host_crashdump] patches:[@host_patch] updates:[@pool_update] PBDs:[@PBD]
    host_CPUs:[@host_cpu] cpu_info:{s,s} hostname:s* address:s* metrics:@host_metrics license_params:{s,s}
    ha_statefiles:[s] ha_network_peers:[s] blobs:{s,@blob} tags:[s]* external_auth_type:s
    external_auth_service_name:s external_auth_configuration:{s,s} edition:s license_server:{s,s}*
    bios_strings:{s,s} power_on_mode:s power_on_config:{s,s} local_cache_sr:@SR chipset_info:{s,s} PCIs:[@PCI]
    PGPUs:[@PGPU] PUSBs:[@PUSB] ssl_legacy:b guest_VCPUs_params:{s,s}* display:e*
    virtual_hardware_platform_versions:[i] control_domain:@VM updates_requiring_reboot:[@pool_update]
    features:[@Feature] iscsi_iqn:s multipathing:b uefi_certificates:s certificates:[@Certificate] editions:[s]
    pending_guidances:[e] tls_verification_enabled:b last_software_update:d https_only:b
    latest_synced_updates_applied:e numa_affinity_policy:e pending_guidances_recommended:[e]
    pending_guidances_full:[e] last_update_hash:s`,
  host_metrics: `
    uuid:s memory_total:i memory_free:i live:b last_updated:d other_config:{s,s}*`,
  network: `
    uuid:s name_label:s* name_description:s* allowed_operations:[e] current_operations:{s,e} VIFs:[@VIF]
    PIFs:[@PIF] MTU:i* other_config:{s,s}* bridge:s managed:b blobs:{s,@blob} tags:[s]* default_locking_mode:e
    assigned_ips:{@VIF,s} purpose:[e]`,
  VIF: `
    uuid:s allowed_operations:[e] current_operations:{s,e} device:s network:@network VM:@VM MAC:s MTU:i
    other_config:{s,s}* currently_attached:b status_code:i status_detail:s runtime_properties:{s,s}
    qos_algorithm_type:s* qos_algorithm_params:{s,s}* qos_supported_algorithms:[s] MAC_autogenerated:b
    locking_mode:e ipv4_allowed:[s] ipv6_allowed:[s] ipv4_configuration_mode:e ipv4_addresses:[s] ipv4_gateway:s
    ipv6_configuration_mode:e ipv6_addresses:[s] ipv6_gateway:s`,
  PIF: `
    uuid:s device:s network:@network host:@host MAC:s MTU:i VLAN:i metrics:@PIF_metrics physical:b
    currently_attached:b ip_configuration_mode:e IP:s netmask:s gateway:s DNS:s bond_slave_of:@Bond
    bond_master_of:[@Bond] VLAN_master_of:@VLAN VLAN_slave_of:[@VLAN] management:b other_config:{s,s}*
    disallow_unplug:b tunnel_access_PIF_of:[@tunnel] tunnel_transport_PIF_of:[@tunnel] ipv6_configuration_mode:e
    IPv6:[s] ipv6_gateway:s primary_address_type:e managed:b properties:{s,s} capabilities:[s]
    igmp_snooping_status:e sriov_physical_PIF_of:[@network_sriov] sriov_logical_PIF_of:[@network_sriov] PCI:@PCI`,
  SR: `
    uuid:s name_label:s name_description:s allowed_operations:[e] current_operations:{s,e} VDIs:[@VDI]
    PBDs:[@PBD] virtual_allocation:i physical_utilisation:i physical_size:i type:s content_type:s shared:b
    other_config:{s,s}* tags:[s]* sm_config:{s,s}* blobs:{s,@blob} local_cache_enabled:b introduced_by:@DR_task
    clustered:b is_tools_sr:b`,
  VDI: `
    uuid:s name_label:s name_description:s allowed_operations:[e] current_operations:{s,e} SR:@SR VBDs:[@VBD]
    crash_dumps:[@crashdump] virtual_size:i physical_utilisation:i type:e sharable:b read_only:b
    other_config:{s,s}* storage_lock:b location:s managed:b missing:b parent:@VDI xenstore_data:{s,s}*
    sm_config:{s,s}* is_a_snapshot:b snapshot_of:@VDI snapshots:[@VDI] snapshot_time:d tags:[s]* allow_caching:b
    on_boot:e metadata_of_pool:@pool metadata_latest:b is_tools_iso:b cbt_enabled:b`,
  VBD: `
    uuid:s allowed_operations:[e] current_operations:{s,e} VM:@VM VDI:@VDI device:s userdevice:s* bootable:b*
    mode:e type:e* unpluggable:b* storage_lock:b empty:b other_config:{s,s}* currently_attached:b status_code:i
    status_detail:s runtime_properties:{s,s} qos_algorithm_type:s* qos_algorithm_params:{s,s}*
    qos_supported_algorithms:[s]`,
  PBD: `
    uuid:s host:@host SR:@SR device_config:{s,s} currently_attached:b other_config:{s,s}*`,
  message: `
    uuid:s name:s priority:i cls:e obj_uuid:s timestamp:d body:s`,
  secret: `
    uuid:s value:s* other_config:{s,s}*`,
  Certificate: `
    uuid:s name:s type:e host:@host not_before:d not_after:d fingerprint:s`,
} as const satisfies Record<string, string>;
